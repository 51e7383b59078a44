"""Operations on agents: issue, get, list, revoke one, and the kill switch of a principal."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from aegis_kernel.domain.agent import (
    DEFAULT_TTL_SECONDS,
    MAX_ANCESTORS,
    MAX_TTL_SECONDS,
    TEXT_MAX_CHARACTERS,
    Agent,
    AgentId,
    AgentIssued,
    AgentRevoked,
    parse_agent_id,
)
from aegis_kernel.domain.audit import Severity
from aegis_kernel.domain.errors import BadRequestError, NotFoundError, PermissionDeniedError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.kill_switch import AgentsCut
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import is_subject
from aegis_kernel.domain.scope import require_sound
from aegis_kernel.engine.agents import Agents, AgentView, append_agent, append_cuts
from aegis_kernel.engine.operations.agent_lists import count_living, page_of_agents
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages_agents import (
    AgentAnswer,
    AgentList,
    GetAgent,
    IssueAgent,
    IssuedAgent,
    ListAgents,
    RevokeAgent,
    RevokeAgents,
    RevokedAgent,
    RevokedAgents,
)
from aegis_kernel.spi.journal import Append

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench


async def _issue(bench: Bench, caller: Caller, key: Key | None, request: IssueAgent) -> Effect:
    _require_sound(request)
    issuer = caller.agent
    if issuer is not None:
        _require_within(issuer, request)
    root = caller.acts_for
    switch = await bench.agents.switch(root.subject)
    now = bench.now()
    issued = AgentIssued(
        at=now,
        id=AgentId(str(uuid4())),
        label=request.label,
        parent=caller.principal.subject,
        root=root,
        scopes=request.scopes,
        expires_at=_end(now, request, issuer),
        epoch=switch.switch.epoch,
        ancestors=(issuer.id, *issuer.ancestors) if issuer is not None else (),
        model=request.model,
    )
    appended, agent = append_agent(None, issued)
    token, signed_by = await bench.agent_tokens.issue(agent)
    return Effect(
        answer=IssuedAgent(agent, token),
        agent_id=agent.id,
        expects=((agent.stream, 0), (switch.stream, switch.sequence), signed_by),
        appends=(appended,),
    )


async def _get(bench: Bench, caller: Caller, key: Key | None, request: GetAgent) -> Effect:
    view = await bench.agents.view(request.agent_id)
    agent = _found(view, request.agent_id)
    standing = await bench.agents.standing_of(view, caller.principal, fresh=True)
    ended = standing.ended(bench.now().timestamp())
    return Effect(answer=AgentAnswer(agent, ended), agent_id=agent.id)


async def _list(bench: Bench, caller: Caller, key: Key | None, request: ListAgents) -> Effect:
    return Effect(answer=await page_of_agents(bench, caller, request))


async def _revoke(bench: Bench, caller: Caller, key: Key | None, request: RevokeAgent) -> Effect:
    view = await bench.agents.view(request.agent_id)
    agent = _found(view, request.agent_id)
    appends: tuple[Append, ...] = ()
    if agent.revoked_at is None:
        revoked = AgentRevoked(at=bench.now(), reason=request.reason)
        appended, agent = append_agent(agent, revoked)
        appends = (appended,)
    return Effect(
        answer=RevokedAgent(agent.id, agent.revoked_at or bench.now()),
        agent_id=agent.id,
        expects=((view.stream, view.sequence),),
        appends=appends,
        reason=request.reason if appends else "revoked already",
    )


async def _revoke_all(
    bench: Bench, caller: Caller, key: Key | None, request: RevokeAgents
) -> Effect:
    view = await bench.agents.switch(request.parent)
    cut = AgentsCut(at=bench.now(), since=request.issued_since)
    appended, after = append_cuts(view, (cut,))
    revoked = await count_living(bench, request.parent, view.switch, after)
    since = f" issued since {cut.since.isoformat()}" if cut.since is not None else ""
    return Effect(
        answer=RevokedAgents(revoked),
        expects=((view.stream, view.sequence),),
        appends=(appended,),
        severity=Severity.CRITICAL,
        reason=f"{revoked} agents of {request.parent}{since}",
    )


def _require_sound(request: IssueAgent) -> None:
    for name, text in (("label", request.label), ("model", request.model)):
        if text is not None and not 1 <= len(text) <= TEXT_MAX_CHARACTERS:
            raise BadRequestError(f"{name} has 1 to {TEXT_MAX_CHARACTERS} characters")
    if request.ttl_seconds is not None and not 1 <= request.ttl_seconds <= MAX_TTL_SECONDS:
        raise BadRequestError(f"ttlSeconds is 1 to {MAX_TTL_SECONDS}")
    require_sound(request.scopes)


def _require_within(issuer: Agent, request: IssueAgent) -> None:
    if len(issuer.ancestors) >= MAX_ANCESTORS:
        raise PermissionDeniedError(
            f"{issuer.id} is not permitted to issue an agent: {MAX_ANCESTORS} are above it",
            reason="too many agents above it",
        )
    if any(scope.is_outside(issuer.scopes) for scope in request.scopes):
        raise PermissionDeniedError(
            f"{issuer.id} is not permitted to issue an agent with scopes beyond its own",
            reason="outside the agent's scopes",
        )


def _end(now: datetime, request: IssueAgent, issuer: Agent | None) -> datetime:
    # A token tells whole seconds: rounded down, so that it never outlives what the stream says.
    seconds = request.ttl_seconds or DEFAULT_TTL_SECONDS
    end = (now + timedelta(seconds=seconds)).replace(microsecond=0)
    return end if issuer is None else min(end, issuer.expires_at)


async def _own(agents: Agents, caller: Caller, request: object) -> str:
    return caller.acts_for.subject


async def _of_named(agents: Agents, caller: Caller, request: GetAgent | RevokeAgent) -> str:
    agent = _found(await agents.view(request.agent_id), request.agent_id)
    if not may_look_at(caller, agent):
        raise PermissionDeniedError(
            f"{caller.principal.subject} is not permitted to see this agent",
            reason="an agent has to do with those alone that it has issued",
        )
    return agent.root.subject


async def _of_parent(agents: Agents, caller: Caller, request: RevokeAgents) -> str:
    if not is_subject(request.parent):
        raise BadRequestError("parent is a principal's subject: 1 to 256 visible ASCII characters")
    agent_id = parse_agent_id(request.parent)
    if agent_id is not None and (await agents.view(agent_id)).agent is not None:
        raise BadRequestError("parent is an agent; revoke that one, which ends all under it")
    return request.parent


def may_look_at(caller: Caller, agent: Agent) -> bool:
    """Return whether an agent that asks is this agent or above it; who is no agent may be asked for."""
    return caller.agent is None or agent.is_under(caller.agent.id)


def _found(view: AgentView, agent_id: AgentId) -> Agent:
    if view.agent is None:
        raise NotFoundError(f"No agent {agent_id}")
    return view.agent


ISSUE_AGENT: Declaration[IssueAgent, IssuedAgent] = Declaration(
    Operation.ISSUE_AGENT, _issue, changes=True, answers_with=IssuedAgent, belongs_to=_own
)
GET_AGENT: Declaration[GetAgent, AgentAnswer] = Declaration(
    Operation.GET_AGENT, _get, recorded=False, belongs_to=_of_named
)
LIST_AGENTS: Declaration[ListAgents, AgentList] = Declaration(
    Operation.LIST_AGENTS, _list, recorded=False, belongs_to=_own
)
REVOKE_AGENT: Declaration[RevokeAgent, RevokedAgent] = Declaration(
    Operation.REVOKE_AGENT, _revoke, changes=True, answers_with=RevokedAgent, belongs_to=_of_named
)
REVOKE_AGENTS: Declaration[RevokeAgents, RevokedAgents] = Declaration(
    Operation.REVOKE_AGENTS,
    _revoke_all,
    changes=True,
    answers_with=RevokedAgents,
    belongs_to=_of_parent,
)
