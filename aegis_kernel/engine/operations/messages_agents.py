"""Requests and answers about agents."""

from __future__ import annotations

from datetime import datetime

import msgspec

from aegis_kernel.domain.agent import Agent, AgentId
from aegis_kernel.domain.scope import Scope
from aegis_kernel.domain.secret import Secret


class _Message(msgspec.Struct, frozen=True, gc=False):
    pass


class IssueAgent(_Message, frozen=True, kw_only=True):
    """Without `ttl_seconds`, an agent lives for an hour; never longer than the agent that issues it."""

    label: str
    scopes: tuple[Scope, ...]
    ttl_seconds: int | None = None
    model: str | None = None


class GetAgent(_Message, frozen=True):
    agent_id: AgentId


class ListAgents(_Message, frozen=True, kw_only=True):
    """`cursor` comes from the page before; `limit` is 1 to 500."""

    limit: int = 50
    cursor: str | None = None


class RevokeAgent(_Message, frozen=True):
    agent_id: AgentId
    reason: str | None = None


class RevokeAgents(_Message, frozen=True):
    """The kill switch of the principal called `parent`: all agents that act for it, or only those
    that were issued at `issued_since` or later."""

    parent: str
    issued_since: datetime | None = None


class IssuedAgent(_Message, frozen=True):
    """The token is told once, and kept nowhere."""

    agent: Agent
    token: Secret


class AgentAnswer(_Message, frozen=True):
    """`ended` says why it gives no right any more; None while it lives."""

    agent: Agent
    ended: str | None = None


class AgentList(_Message, frozen=True):
    agents: tuple[AgentAnswer, ...]
    next_cursor: str | None


class RevokedAgent(_Message, frozen=True):
    id: AgentId
    revoked_at: datetime


class RevokedAgents(_Message, frozen=True):
    """How many agents lived and have been ended."""

    revoked: int
