"""An agent: what acts for a principal for a while, within scopes; the fold of the stream `agent/<id>`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NewType

import msgspec
from msgspec.structs import replace

from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import Principal
from aegis_kernel.domain.scope import Scope

AgentId = NewType("AgentId", str)

# How many agents may stand between an agent and the principal that it acts for.
MAX_ANCESTORS = 4
DEFAULT_TTL_SECONDS = 3600
MAX_TTL_SECONDS = 24 * 3600
TEXT_MAX_CHARACTERS = 256

_CANONICAL_ID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
).fullmatch


class AgentIssued(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """`root` is the principal that it acts for in the end, with the groups of that moment.

    `parent` is the subject of whoever issued it; `ancestors` the agents above it, nearest first;
    `epoch` where the principal's kill switch stood.
    """

    at: datetime
    id: AgentId
    label: str
    parent: str
    root: Principal
    scopes: tuple[Scope, ...]
    expires_at: datetime
    epoch: int
    ancestors: tuple[AgentId, ...] = ()
    model: str | None = None


class AgentRevoked(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """It ends here, and so do all that it has issued."""

    at: datetime
    reason: str | None = None


AgentEvent = AgentIssued | AgentRevoked


class Agent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fold of an agent's events. All times are UTC."""

    id: AgentId
    label: str
    parent: str
    root: Principal
    scopes: tuple[Scope, ...]
    issued_at: datetime
    expires_at: datetime
    epoch: int
    ancestors: tuple[AgentId, ...] = ()
    model: str | None = None
    revoked_at: datetime | None = None
    reason: str | None = None

    @property
    def stream(self) -> str:
        return agent_stream(self.id)

    def allows(
        self, operation: Operation, key_id: KeyId | None, contexts: Sequence[Mapping[str, str]]
    ) -> bool:
        """Return whether one of its own scopes allows the request; its ancestors are not asked."""
        return any(scope.allows(operation, key_id, contexts) for scope in self.scopes)

    def is_under(self, agent_id: str) -> bool:
        """Return whether it is that agent, or one that the agent has issued, at whatever remove."""
        return self.id == agent_id or agent_id in self.ancestors


def fold_agent(agent: Agent | None, event: AgentEvent) -> Agent:
    """Return the agent after `event`. A second revocation changes nothing."""
    if isinstance(event, AgentIssued):
        return _issued(event)
    if agent is None:
        raise ValueError("an agent's first event is AgentIssued")
    if agent.revoked_at is not None:
        return agent
    return replace(agent, revoked_at=event.at, reason=event.reason)


def agent_stream(agent_id: AgentId) -> str:
    """Return the name of the stream that holds the agent's events."""
    return f"agent/{agent_id}"


def parse_agent_id(text: str) -> AgentId | None:
    """Return the id if `text` is a lower-case dashed UUID (RFC 9562 §4), the one spelling we know."""
    return AgentId(text) if _CANONICAL_ID(text) else None


def _issued(event: AgentIssued) -> Agent:
    return Agent(
        id=event.id,
        label=event.label,
        parent=event.parent,
        root=event.root,
        scopes=event.scopes,
        issued_at=event.at,
        expires_at=event.expires_at,
        epoch=event.epoch,
        ancestors=event.ancestors,
        model=event.model,
    )
