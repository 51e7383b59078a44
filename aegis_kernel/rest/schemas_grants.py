"""What travels about grants."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from aegis_kernel.domain.grant import (
    GRANTABLE,
    MAX_PAIRS,
    MAX_TTL_SECONDS,
    MAX_USES,
    PAIR_MAX_CHARACTERS,
)
from aegis_kernel.rest.schemas import Reason, Wire, text

Subject = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        description="A principal's subject, in visible ASCII.",
        extra_json_schema={"pattern": r"^[!-~]*$"},
    ),
]
# Unknown names are refused by the endpoint, which says which it was; here they are only listed.
GrantedOperation = Annotated[
    str, Meta(max_length=64, extra_json_schema={"enum": sorted(GRANTABLE)})
]
GrantedOperations = Annotated[
    list[GrantedOperation],
    Meta(min_length=1, max_length=len(GRANTABLE), description="Names of operations."),
]
PairText = Annotated[str, text(0, PAIR_MAX_CHARACTERS)]
GrantContext = Annotated[
    dict[PairText, PairText],
    Meta(max_length=MAX_PAIRS, description="Every encryption context must have all these pairs."),
]


class CreateGrantRequest(Wire, frozen=True):
    """Ends at `expiresAt`, or after `ttlSeconds`, or when it is retired; and after `maxUses` uses."""

    grantee: Subject
    operations: GrantedOperations
    context: GrantContext | UnsetType = UNSET
    expires_at: Annotated[datetime, Meta(tz=True)] | UnsetType = UNSET
    ttl_seconds: Annotated[int, Meta(ge=1, le=MAX_TTL_SECONDS)] | UnsetType = UNSET
    max_uses: Annotated[int, Meta(ge=1, le=MAX_USES)] | UnsetType = UNSET


class GrantView(Wire, frozen=True):
    """`used` counts the uses of one with `maxUses`. `ended` says why it gives no right any more."""

    id: str
    key_id: str
    grantee: str
    operations: GrantedOperations
    created_at: datetime
    created_by: str
    context: GrantContext | UnsetType = UNSET
    expires_at: datetime | UnsetType = UNSET
    max_uses: int | UnsetType = UNSET
    used: int | UnsetType = UNSET
    ended: str | UnsetType = UNSET
    retired_at: datetime | UnsetType = UNSET


class GrantPage(Wire, frozen=True):
    """All that the key keeps, which are few: there is never a further page."""

    items: list[GrantView]
    next_cursor: str | UnsetType = UNSET


class RetireGrantRequest(Wire, frozen=True):
    reason: Reason | UnsetType = UNSET


class RetiredGrantView(Wire, frozen=True):
    id: str
    retired_at: datetime
