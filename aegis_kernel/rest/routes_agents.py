"""Endpoints of agents: issue, list, get, revoke one, and a principal's kill switch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from aegis_kernel.domain.agent import AgentId, parse_agent_id
from aegis_kernel.domain.errors import NotFoundError
from aegis_kernel.domain.scope import Scope, parse_operations
from aegis_kernel.engine import operations
from aegis_kernel.engine.operations import messages_agents as messages
from aegis_kernel.rest.endpoint import Endpoint
from aegis_kernel.rest.paths import PathParams
from aegis_kernel.rest.schemas import (
    Nothing,
    or_default,
    or_none,
    or_unset,
    wire_time,
    wire_time_or_unset,
)
from aegis_kernel.rest.schemas_agents import (
    AgentPage,
    AgentView,
    IssueAgentRequest,
    IssuedAgentView,
    ListAgentsQuery,
    RevokeAgentRequest,
    RevokeAgentsRequest,
    RevokedAgentsView,
    RevokedAgentView,
    ScopeView,
)

_EXAMPLE_ID = "5b0e7c1a-3f52-4a77-9d0c-2a6f1f0f9f11"
_EXAMPLE_TIME = datetime(2026, 5, 9, 2, 23, 45, tzinfo=UTC)
_EXAMPLE_SCOPES: Sequence[ScopeView] = [
    ScopeView(
        keys=["8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"],
        operations=["Decrypt", "Encrypt"],
        context={"tenant": "acme"},
    )
]
_EXAMPLE = AgentView(
    id=_EXAMPLE_ID,
    label="invoice reader",
    parent="alice",
    scopes=list(_EXAMPLE_SCOPES),
    issued_at=_EXAMPLE_TIME.replace(hour=1),
    expires_at=_EXAMPLE_TIME,
)


def _to_issue(taken: IssueAgentRequest) -> messages.IssueAgent:
    return messages.IssueAgent(
        label=taken.label,
        scopes=tuple([_scope(scope) for scope in taken.scopes]),
        ttl_seconds=or_none(taken.ttl_seconds),
        model=or_none(taken.model),
    )


def _scope(view: ScopeView) -> Scope:
    return Scope(
        keys=frozenset(view.keys),
        operations=parse_operations(view.operations),
        context=or_default(view.context, {}),
    )


def _scope_view(scope: Scope) -> ScopeView:
    return ScopeView(
        keys=sorted(scope.keys),
        operations=sorted(scope.operations),
        context=or_unset(dict(scope.context) or None),
    )


def _issued(answered: messages.IssuedAgent, _: IssueAgentRequest) -> IssuedAgentView:
    agent = answered.agent
    return IssuedAgentView(
        id=agent.id,
        label=agent.label,
        parent=agent.parent,
        scopes=[_scope_view(scope) for scope in agent.scopes],
        expires_at=wire_time(agent.expires_at),
        token=answered.token.reveal().decode("ascii"),
    )


def _view(answered: messages.AgentAnswer) -> AgentView:
    agent = answered.agent
    return AgentView(
        id=agent.id,
        label=agent.label,
        parent=agent.parent,
        scopes=[_scope_view(scope) for scope in agent.scopes],
        issued_at=wire_time(agent.issued_at),
        expires_at=wire_time(agent.expires_at),
        model=or_unset(agent.model),
        ended=or_unset(answered.ended),
        revoked_at=wire_time_or_unset(agent.revoked_at),
        reason=or_unset(agent.reason),
    )


def _page(answered: messages.AgentList, _: ListAgentsQuery) -> AgentPage:
    return AgentPage(
        items=[_view(agent) for agent in answered.agents],
        next_cursor=or_unset(answered.next_cursor),
    )


def _agent_id(params: PathParams) -> AgentId:
    agent_id = parse_agent_id(params["agentId"])
    if agent_id is None:
        raise NotFoundError("An agent's id is a UUID in lower case")
    return agent_id


ISSUE_AGENT = Endpoint(
    method="POST",
    path="/v1/agents",
    summary="Issue an agent: what acts for you for a while, within scopes",
    declaration=operations.ISSUE_AGENT,
    takes=IssueAgentRequest,
    gives=IssuedAgentView,
    to_request=_to_issue,
    to_response=_issued,
    example=(
        IssueAgentRequest(label="invoice reader", scopes=list(_EXAMPLE_SCOPES), ttl_seconds=3600),
        IssuedAgentView(
            id=_EXAMPLE_ID,
            label="invoice reader",
            parent="alice",
            scopes=list(_EXAMPLE_SCOPES),
            expires_at=_EXAMPLE_TIME,
            token="eyJhbGciOiJFUzI1NiIs…",  # noqa: S106 - shortened
        ),
    ),
    status=201,
)

LIST_AGENTS = Endpoint(
    method="GET",
    path="/v1/agents",
    summary="List the agents that the caller may see, oldest first",
    declaration=operations.LIST_AGENTS,
    takes=ListAgentsQuery,
    gives=AgentPage,
    to_request=lambda taken: messages.ListAgents(
        limit=or_default(taken.limit, 50), cursor=or_none(taken.cursor)
    ),
    to_response=_page,
    example=(ListAgentsQuery(limit=50), AgentPage(items=[_EXAMPLE])),
)

GET_AGENT = Endpoint(
    method="GET",
    path="/v1/agents/{agentId}",
    summary="Get an agent: its scopes, and whether it has ended",
    declaration=operations.GET_AGENT,
    takes=Nothing,
    gives=AgentView,
    to_request=lambda _: messages.GetAgent(AgentId("")),
    place=lambda request, params: replace(request, agent_id=_agent_id(params)),
    to_response=lambda answered, _: _view(answered),
    example=(Nothing(), _EXAMPLE),
    errors=(NotFoundError,),
)

REVOKE_AGENT = Endpoint(
    method="POST",
    path="/v1/agents/{agentId}/revoke",
    summary="End an agent, and all that it has issued, at once",
    declaration=operations.REVOKE_AGENT,
    takes=RevokeAgentRequest,
    gives=RevokedAgentView,
    to_request=lambda taken: messages.RevokeAgent(AgentId(""), or_none(taken.reason)),
    place=lambda request, params: replace(request, agent_id=_agent_id(params)),
    to_response=lambda answered, _: RevokedAgentView(
        id=answered.id, revoked_at=wire_time(answered.revoked_at)
    ),
    example=(
        RevokeAgentRequest(reason="done"),
        RevokedAgentView(id=_EXAMPLE_ID, revoked_at=_EXAMPLE_TIME),
    ),
    errors=(NotFoundError,),
)

REVOKE_AGENTS = Endpoint(
    method="POST",
    path="/v1/agents/revoke",
    summary="The kill switch: end all agents that act for a principal, at once",
    declaration=operations.REVOKE_AGENTS,
    takes=RevokeAgentsRequest,
    gives=RevokedAgentsView,
    to_request=lambda taken: messages.RevokeAgents(taken.parent, or_none(taken.issued_since)),
    to_response=lambda answered, _: RevokedAgentsView(revoked=answered.revoked),
    example=(RevokeAgentsRequest(parent="alice"), RevokedAgentsView(revoked=3)),
)
