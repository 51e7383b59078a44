"""A key as its events leave it: identity, spec, state and versions; never bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NewType

import msgspec

from aegis_kernel.domain.grant import Grant
from aegis_kernel.domain.lifecycle import PROCESSABLE_VERSION_STATES, KeyState
from aegis_kernel.domain.rotation import RotationPolicy
from aegis_kernel.domain.spec import KeySpec

KeyId = NewType("KeyId", str)

_CANONICAL_ID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
).fullmatch


def parse_key_id(text: str) -> KeyId | None:
    """Return the id if `text` is a lower-case dashed UUID (RFC 9562 §4), the one spelling we know."""
    return KeyId(text) if _CANONICAL_ID(text) else None


def key_stream(key_id: KeyId) -> str:
    """Return the name of the stream that holds the key's events."""
    return f"key/{key_id}"


class KeyVersion(msgspec.Struct, frozen=True, array_like=True):
    """One generation of material under a key, numbered from 1."""

    number: int
    state: KeyState
    created_at: datetime
    root_of_trust: str
    compromised_at: datetime | None = None
    reason: str | None = None
    imported: bool = False

    @property
    def is_processable(self) -> bool:
        return self.state in PROCESSABLE_VERSION_STATES


class Key(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fold of a key's events. All times are UTC."""

    id: KeyId
    spec: KeySpec
    state: KeyState
    owner: str
    versions: tuple[KeyVersion, ...]
    created_at: datetime
    activated_at: datetime | None = None
    deactivated_at: datetime | None = None
    compromised_at: datetime | None = None
    reason: str | None = None
    disabled: bool = False
    destroy_at: datetime | None = None
    destroyed_at: datetime | None = None
    published: bool = False
    tags: Mapping[str, str] = {}
    description: str | None = None
    rotation_policy: RotationPolicy | None = None
    announced_version: int | None = None
    grants: tuple[Grant, ...] = ()

    @property
    def current_version(self) -> int:
        return len(self.versions)

    def version(self, number: int) -> KeyVersion | None:
        """Return that version, or None if the key never had it."""
        return self.versions[number - 1] if 1 <= number <= len(self.versions) else None

    def grant(self, grant_id: str) -> Grant | None:
        """Return that grant, or None if the key has none, or none any more."""
        return next((grant for grant in self.grants if grant.id == grant_id), None)
