"""Agents revoked and kill switches raised after a backup: a restore brings none of those agents back.

An agent that was issued after the backup is unknown to the copy, and so its token opens nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from aegis_kernel.domain.agent import AgentEvent
from aegis_kernel.domain.errors import InternalError
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.engine.agents import FAMILY, PRINCIPALS, append_agent, decode_agent
from aegis_kernel.engine.records import Scribe
from aegis_kernel.spi.journal import Append, Conflict, Entry, Journal, Query, Record, Stored

_PAGE = 200


async def reapply_agents(restored: Journal, newer: Journal, scribe: Scribe) -> list[Operation]:
    """End in `restored` whatever has ended in `newer` since; return what was done."""
    done = list[Operation]()
    async for stored in _all(newer, Query(prefix=FAMILY, state="Revoked", limit=_PAGE)):
        then = await restored.load(stored.stream)
        if then is not None and then.sequence < stored.sequence:
            await _revoke(restored, newer, then, scribe)
            done.append(Operation.REVOKE_AGENT)
    async for stored in _all(newer, Query(prefix=PRINCIPALS, limit=_PAGE)):
        then = await restored.load(stored.stream)
        known = then.sequence if then is not None else 0
        if known < stored.sequence:
            events = tuple((await newer.history(stored.stream))[known:])
            append = Append(stream=stored.stream, events=events, snapshot=stored.snapshot)
            said = f"{stored.stream.removeprefix(PRINCIPALS)}; reapplied on restore"
            await _commit(restored, append, known, scribe.own(Operation.REVOKE_AGENTS, said))
            done.append(Operation.REVOKE_AGENTS)
    return done


async def _revoke(restored: Journal, newer: Journal, then: Stored, scribe: Scribe) -> None:
    agent, sequence = decode_agent(then.snapshot), then.sequence
    for event in (await newer.history(then.stream))[then.sequence :]:
        append, agent = append_agent(agent, msgspec.json.decode(event, type=AgentEvent))
        said = f"agent {agent.id}; reapplied on restore"
        await _commit(restored, append, sequence, scribe.own(Operation.REVOKE_AGENT, said))
        sequence += 1


async def _commit(
    restored: Journal,
    append: Append,
    sequence: int,
    record: Record,
) -> None:
    entry = Entry(expects={append.stream: sequence}, appends=(append,), records=(record,))
    (verdict,) = await restored.commit([entry])
    if isinstance(verdict, Conflict):
        raise InternalError("The copy being restored has changed")


async def _all(journal: Journal, query: Query) -> AsyncIterator[Stored]:
    more = True
    while more:
        page = await journal.find(query)
        for found in page.items:
            yield found.stored
        query, more = msgspec.structs.replace(query, after=page.last), page.more
