"""What travels about agents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from aegis_kernel.domain.agent import MAX_TTL_SECONDS, TEXT_MAX_CHARACTERS
from aegis_kernel.domain.scope import MAX_KEYS, MAX_SCOPES, SCOPABLE
from aegis_kernel.rest.schemas import Context, Query, Reason, Wire, text
from aegis_kernel.rest.schemas_aliases import UUID_PATTERN

Text = Annotated[str, text(1, TEXT_MAX_CHARACTERS)]
# Unknown names are refused by the kernel, which says which it was; here they are only listed.
OperationName = Annotated[str, Meta(max_length=64, extra_json_schema={"enum": sorted(SCOPABLE)})]
Operations = Annotated[
    list[OperationName], Meta(min_length=1, max_length=64, description="Names of operations.")
]
KeyOrAny = Annotated[
    str, Meta(max_length=64, extra_json_schema={"pattern": rf"^({UUID_PATTERN}|\*)$"})
]
Keys = Annotated[
    list[KeyOrAny],
    Meta(min_length=1, max_length=MAX_KEYS, description='Ids of keys, or "*" alone for any key.'),
]


class ScopeView(Wire, frozen=True):
    """Operations on keys, where every encryption context has all these pairs."""

    keys: Keys
    operations: Operations
    context: Context | UnsetType = UNSET


class IssueAgentRequest(Wire, frozen=True):
    label: Text
    scopes: Annotated[list[ScopeView], Meta(min_length=1, max_length=MAX_SCOPES)]
    ttl_seconds: Annotated[int, Meta(ge=1, le=MAX_TTL_SECONDS)] | UnsetType = UNSET
    model: Text | UnsetType = UNSET


class AgentView(Wire, frozen=True):
    """`parent` issued it. `ended` says why it gives no right any more."""

    id: str
    label: str
    parent: str
    scopes: list[ScopeView]
    issued_at: datetime
    expires_at: datetime
    model: str | UnsetType = UNSET
    ended: str | UnsetType = UNSET
    revoked_at: datetime | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class IssuedAgentView(Wire, frozen=True):
    """The token is told here, and never again."""

    id: str
    label: str
    parent: str
    scopes: list[ScopeView]
    expires_at: datetime
    token: str


class AgentPage(Wire, frozen=True):
    items: list[AgentView]
    next_cursor: str | UnsetType = UNSET


class ListAgentsQuery(Query, frozen=True):
    limit: Annotated[int, Meta(ge=1, le=500)] | UnsetType = UNSET
    cursor: Annotated[str, Meta(pattern=r"^[0-9]{1,18}$")] | UnsetType = UNSET


class RevokeAgentRequest(Wire, frozen=True):
    reason: Reason | UnsetType = UNSET


class RevokedAgentView(Wire, frozen=True):
    id: str
    revoked_at: datetime


class RevokeAgentsRequest(Wire, frozen=True):
    """All agents that act for `parent`, or those issued at `issuedSince` or later."""

    parent: Text
    issued_since: datetime | UnsetType = UNSET


class RevokedAgentsView(Wire, frozen=True):
    revoked: int
