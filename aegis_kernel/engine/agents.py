"""Agents as the journal holds them: what an agent may is read from its stream, those above it, and
its principal's kill switch.

What is cached may be stale: whoever acts by it expects all these streams unmoved, so no result that
was decided before a revocation is released after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from aegis_kernel.domain.agent import (
    MAX_ANCESTORS,
    Agent,
    AgentEvent,
    AgentId,
    agent_stream,
    fold_agent,
)
from aegis_kernel.domain.kill_switch import AgentsCut, KillSwitch, fold_cut, principal_stream
from aegis_kernel.domain.principal import Principal, PrincipalKind
from aegis_kernel.engine.cache import BoundedCache
from aegis_kernel.engine.standing import Standing
from aegis_kernel.spi.journal import Append, Attributes, Journal

FAMILY = "agent/"
PRINCIPALS = "principal/"

# Found by the day on which they end: whoever still lives ends today or tomorrow.
ENDS_ON = "aegis/ends-on"

_decode_agent = msgspec.json.Decoder(Agent).decode
_decode_switch = msgspec.json.Decoder(KillSwitch).decode
_encode = msgspec.json.Encoder().encode


class AgentView(msgspec.Struct, frozen=True, gc=False):
    """An agent and the sequence of its stream at which it was so; no agent at sequence 0."""

    stream: str
    sequence: int
    agent: Agent | None


class SwitchView(msgspec.Struct, frozen=True, gc=False):
    """A principal's kill switch and the sequence of its stream at which it stood so."""

    stream: str
    sequence: int
    switch: KillSwitch


class Agents:
    """A bounded cache of agents and kill switches. It may be stale: the release fence catches that."""

    def __init__(self, journal: Journal, capacity: int) -> None:
        self._journal = journal
        self._agents: BoundedCache[str, AgentView] = BoundedCache(capacity)
        self._switches: BoundedCache[str, SwitchView] = BoundedCache(capacity)

    async def standing(self, principal: Principal, *, fresh: bool) -> Standing:
        """Return on whose behalf the agent called `principal.subject` acts; void if it is none."""
        view = await self.view(AgentId(principal.subject), fresh=fresh)
        return await self.standing_of(view, principal, fresh=fresh)

    async def standing_of(self, view: AgentView, asking: Principal, *, fresh: bool) -> Standing:
        """As `standing`, of an agent that has been looked at."""
        agent = view.agent
        if agent is None:
            return Standing(asking, ((view.stream, 0),), void="unknown agent")
        above, switch = await asyncio.gather(
            asyncio.gather(*(self.view(each, fresh=fresh) for each in agent.ancestors)),
            self.switch(agent.root.subject, fresh=fresh),
        )
        views = (view, *above)
        chain = tuple([each.agent for each in views if each.agent is not None])
        return Standing(
            principal=agent.root,
            expects=(
                *[(each.stream, each.sequence) for each in views],
                (switch.stream, switch.sequence),
            ),
            chain=chain,
            void=_void(agent, chain, switch.switch),
            until=min([each.expires_at for each in chain]).timestamp(),
        )

    async def view(self, agent_id: AgentId, *, fresh: bool = True) -> AgentView:
        """Return the agent. An unknown one is never cached."""
        stream = agent_stream(agent_id)
        found = None if fresh else self._agents.get(stream)
        if found is None:
            stored = await self._journal.load(stream)
            if stored is None:
                return AgentView(stream, 0, None)
            found = AgentView(stream, stored.sequence, _decode_agent(stored.snapshot))
            self._agents.put(stream, found)
        return found

    async def switch(self, subject: str, *, fresh: bool = True) -> SwitchView:
        """Return the principal's kill switch; one that nobody ever used stands at sequence 0."""
        stream = principal_stream(subject)
        found = None if fresh else self._switches.get(stream)
        if found is None:
            stored = await self._journal.load(stream)
            if stored is None:
                found = SwitchView(stream, 0, KillSwitch())
            else:
                found = SwitchView(stream, stored.sequence, _decode_switch(stored.snapshot))
            self._switches.put(stream, found)
        return found

    def forget(self, stream: str) -> None:
        """Drop what is known of that stream."""
        self._agents.forget(stream)
        self._switches.forget(stream)


def decode_agent(snapshot: bytes) -> Agent:
    """Return the agent of a snapshot that `append_agent` made."""
    return _decode_agent(snapshot)


def decode_switch(snapshot: bytes) -> KillSwitch:
    """Return the kill switch of a snapshot that `append_cuts` made."""
    return _decode_switch(snapshot)


def append_agent(agent: Agent | None, event: AgentEvent) -> tuple[Append, Agent]:
    """Return what to append to the agent's stream, and the agent once that is committed."""
    after = fold_agent(agent, event)
    appended = Append(
        stream=after.stream,
        events=(_encode(event),),
        snapshot=_encode(after),
        attributes=Attributes(
            state="Issued" if after.revoked_at is None else "Revoked",
            name=after.label,
            owner=after.root.subject,
            tags={ENDS_ON: day(after.expires_at)},
        ),
    )
    return appended, after


def append_cuts(view: SwitchView, events: Sequence[AgentsCut]) -> tuple[Append, KillSwitch]:
    """Return what to append to the principal's stream, and the kill switch after that."""
    switch = view.switch
    for event in events:
        switch = fold_cut(switch, event)
    appended = Append(
        stream=view.stream,
        events=tuple([_encode(event) for event in events]),
        snapshot=_encode(switch),
    )
    return appended, switch


def day(at: datetime) -> str:
    """Return the day of `at`, UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d")


def _void(agent: Agent, chain: Sequence[Agent], switch: KillSwitch) -> str | None:
    if len(chain) != 1 + len(agent.ancestors) or len(agent.ancestors) > MAX_ANCESTORS:
        return "an agent above it is unknown"
    if agent.root.kind not in (PrincipalKind.HUMAN, PrincipalKind.SERVICE):
        return "it acts for nobody"
    for each in chain:
        which = "agent" if each is agent else "an agent above it is"
        if each.revoked_at is not None:
            return f"{which} revoked"
        if each.root.subject != agent.root.subject or switch.cuts_off(each):
            return f"{which} cut off by the kill switch"
    return None
