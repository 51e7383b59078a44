"""Agents found by pages: those that a caller may see, and those that a kill switch ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from aegis_kernel.domain.agent import Agent
from aegis_kernel.domain.kill_switch import KillSwitch
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.engine.agents import ENDS_ON, FAMILY, AgentView, day, decode_agent
from aegis_kernel.engine.operations.messages_agents import AgentAnswer, AgentList, ListAgents
from aegis_kernel.engine.operations.reads import MAX_LIMIT, MAX_PAGES, position
from aegis_kernel.spi.journal import Query, Stored

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench
    from aegis_kernel.engine.operations.declaration import Caller

# A kill switch cuts off all, and counts no more than so many pages of them for each day.
MAX_COUNTED_PAGES = 40


async def page_of_agents(bench: Bench, caller: Caller, request: ListAgents) -> AgentList:
    """Return a page of the agents that `caller` may get, oldest first."""
    shown: list[AgentAnswer] = []
    query = Query(
        prefix=FAMILY,
        owner=bench.authority.readable_owner(caller),
        after=position(request.cursor),
        limit=request.limit,
    )
    for _ in range(MAX_PAGES):
        page = await bench.journal.find(query)
        for number, found in enumerate(page.items, 1):
            agent = decode_agent(found.stored.snapshot)
            if _may_get(bench, caller, agent):
                shown.append(await _answer(bench, caller, found.stored, agent))
            if len(shown) == request.limit:
                more = page.more or number < len(page.items)
                return AgentList(tuple(shown), str(found.position) if more else None)
        query = replace(query, after=page.last, limit=MAX_LIMIT)
        if not page.more:
            break
    return AgentList(tuple(shown), str(query.after) if page.more else None)


async def count_living(bench: Bench, subject: str, before: KillSwitch, after: KillSwitch) -> int:
    """Return how many agents of that principal live, and are cut off by `after` alone.

    One whose ancestor has ended is counted until it is revoked, cut off or expired itself.
    """
    now, count = bench.now(), 0
    # None lives longer than a day: those that live end today or tomorrow.
    for ends_on in (day(now), day(now + timedelta(days=1))):
        async for agent in _ending(bench, subject, ends_on):
            is_over = agent.expires_at <= now or before.cuts_off(agent)
            count += not is_over and after.cuts_off(agent)
    return count


async def _ending(bench: Bench, subject: str, ends_on: str) -> AsyncIterator[Agent]:
    query = Query(
        prefix=FAMILY, state="Issued", owner=subject, tag=(ENDS_ON, ends_on), limit=MAX_LIMIT
    )
    for _ in range(MAX_COUNTED_PAGES):
        page = await bench.journal.find(query)
        for found in page.items:
            yield decode_agent(found.stored.snapshot)
        query = replace(query, after=page.last)
        if not page.more:
            return


def _may_get(bench: Bench, caller: Caller, agent: Agent) -> bool:
    if caller.agent is not None and not agent.is_under(caller.agent.id):
        return False
    owner = agent.root.subject
    decision = bench.authority.decide(caller, Operation.GET_AGENT, None, belongs_to=owner)
    return decision.allowed


async def _answer(bench: Bench, caller: Caller, stored: Stored, agent: Agent) -> AgentAnswer:
    view = AgentView(stored.stream, stored.sequence, agent)
    standing = await bench.agents.standing_of(view, caller.principal, fresh=True)
    return AgentAnswer(agent, standing.ended(bench.now().timestamp()))
