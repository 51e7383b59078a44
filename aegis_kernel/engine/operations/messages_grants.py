"""Requests and answers about grants."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from aegis_kernel.domain.grant import Grant, GrantId
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import Operation


class _Message(msgspec.Struct, frozen=True, gc=False):
    pass


class CreateGrant(_Message, frozen=True, kw_only=True):
    """Not both of `expires_at` and `ttl_seconds`; without either it lasts until it is retired."""

    grantee: str
    operations: tuple[Operation, ...]
    context: Mapping[str, str] = {}
    expires_at: datetime | None = None
    ttl_seconds: int | None = None
    max_uses: int | None = None


class ListGrants(_Message, frozen=True):
    pass


class RetireGrant(_Message, frozen=True):
    grant_id: GrantId
    reason: str | None = None


class GrantAnswer(_Message, frozen=True):
    """`used` counts the uses of a counted grant; `ended` says why it gives no right any more."""

    key_id: KeyId
    grant: Grant
    used: int | None = None
    ended: str | None = None


class GrantList(_Message, frozen=True):
    """Oldest first. Of those that have ended, the oldest are kept only while there is room."""

    grants: tuple[GrantAnswer, ...]


class RetiredGrant(_Message, frozen=True):
    id: GrantId
    retired_at: datetime
