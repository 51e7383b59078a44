"""Verifying a whole journal: every stream, every material row, the ledger. Memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from aegis_kernel.domain.agent import Agent, AgentEvent, fold_agent
from aegis_kernel.domain.alias import AliasEvent, AliasTarget, fold_alias
from aegis_kernel.domain.errors import AegisError, BootError
from aegis_kernel.domain.events import Event, replay
from aegis_kernel.domain.grant import GrantUsed, GrantUses, fold_use
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.kill_switch import AgentsCut, KillSwitch, fold_cut
from aegis_kernel.domain.lifecycle import KeyState
from aegis_kernel.engine import masters, policies
from aegis_kernel.engine.agents import decode_agent, decode_switch
from aegis_kernel.engine.backup_file import Header
from aegis_kernel.engine.grants import decode_uses
from aegis_kernel.engine.master_rotation import keepers_of
from aegis_kernel.engine.material_rows import BoundRow, material_pages
from aegis_kernel.engine.usage import Counts
from aegis_kernel.spi.journal import Journal, Query, Stored
from aegis_kernel.spi.journal_backup import JournalBackup
from aegis_kernel.spi.root_of_trust import RootOfTrust

_PAGE_STREAMS = 200
_PAGE_RECORDS = 1000
_MOST_MISTAKES = 10


class Verified(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How much was looked at, and found whole."""

    streams: int
    material_rows: int
    records: int


def require_masters(header: Header, roots: Mapping[str, RootOfTrust]) -> None:
    """Raise BootError unless the master keys at hand open what is in a backup and vouch for it."""
    keepers = keepers_of(roots)
    for name, rows in header.manifest.masters.items():
        held = keepers[name].fingerprints if name in keepers else ()
        missing = sorted(rows.keys() - {*held, "unknown"})
        if missing:
            raise BootError(
                f"the backup needs the master key {', '.join(missing)} of root of trust {name}; "
                f"the one at hand is {', '.join(held) or 'none'}: put the right master key in place"
            )
    for name, keeper in keepers.items():
        mac = header.macs.get(name)
        if mac is None or not keeper.vouched(header.statement, mac):
            raise BootError(
                f"the backup is not vouched for by the master key of root of trust {name}: it was "
                "altered, or made under another master key"
            )


class Verification:
    """One look at everything in an open journal."""

    def __init__(self, journal: Journal, roots: Mapping[str, RootOfTrust]) -> None:
        self._journal = journal
        self._roots = roots
        self._mistakes: list[str] = []

    async def run(self) -> Verified:
        """Return how much there is. Raises BootError with what is wrong, at most ten lines."""
        if isinstance(self._journal, JournalBackup):
            await self._journal.examine()
        streams = await self._streams()
        rows = await self._rows()
        records = await self._ledger()
        if self._mistakes:
            raise BootError("\n".join(self._mistakes))
        return Verified(streams=streams, material_rows=rows, records=records)

    async def _streams(self) -> int:
        count, after, more = 0, 0, True
        while more:
            page = await self._journal.find(Query(prefix="", after=after, limit=_PAGE_STREAMS))
            for found in page.items:
                await self._stream(found.stored)
                after = found.position
            count, more = count + len(page.items), page.more
        return count

    async def _stream(self, stored: Stored) -> None:
        events = await self._journal.history(stored.stream)
        if len(events) != stored.sequence:
            self._say(f"stream {stored.stream} has {len(events)} events of {stored.sequence}")
            return
        try:
            is_folded = _replays_to(stored, events)
        except (msgspec.DecodeError, ValueError, LookupError, TypeError):
            is_folded = False
        if not is_folded:
            self._say(f"stream {stored.stream} is not what its events make")
        elif stored.stream.startswith("key/"):
            await self._key(msgspec.json.decode(stored.snapshot, type=Key))

    async def _key(self, key: Key) -> None:
        if key.state is KeyState.DESTROYED:
            return
        for version in key.versions:
            if await self._journal.material(key.id, version.number) is None:
                self._say(f"the material of version {version.number} of key {key.id} is missing")

    async def _rows(self) -> int:
        count = 0
        async for page in material_pages(self._journal):
            for bound in page:
                await self._row(bound)
            count += len(page)
        return count

    async def _row(self, bound: BoundRow) -> None:
        key, binding = bound.key, bound.binding
        if key is None or binding is None:
            self._say(f"the material of {bound} belongs to no key")
        elif key.state is KeyState.DESTROYED:
            self._say(f"the material of {bound} is there, though the key is destroyed")
        elif (root := self._roots.get(bound.material.root_of_trust)) is None:
            self._say(f"{bound} needs {bound.material.root_of_trust} in AEGIS_ROT_KIND")
        else:
            try:
                await root.open_key(bound.material, binding)
            except AegisError as error:
                self._say(f"the material of {bound} does not open: {error.message}")

    async def _ledger(self) -> int:
        position = 0
        head = await self._journal.head()
        try:
            while page := await self._journal.ledger(position, _PAGE_RECORDS):
                if [r.position for r in page] != [position + n + 1 for n in range(len(page))]:
                    break
                position += len(page)
        except AegisError as error:
            self._say(f"the ledger is not whole: {error.message}, {error.reason}")
            return position
        if position != head:
            self._say(f"the ledger has a gap after record {position} of {head}")
        return position

    def _say(self, mistake: str) -> None:
        if len(self._mistakes) < _MOST_MISTAKES:
            self._mistakes.append(mistake)


def _replays_to(stored: Stored, events: Sequence[bytes]) -> bool:
    """Return whether the snapshot is the fold of the events. Raises LookupError for a new family."""
    fold = _FOLDS.get(stored.stream) or _FOLDS[stored.stream.partition("/")[0]]
    return fold(stored.snapshot, events)


def _is_key(snapshot: bytes, events: Sequence[bytes]) -> bool:
    replayed = replay(msgspec.json.decode(event, type=Event) for event in events)
    return replayed == msgspec.json.decode(snapshot, type=Key)


def _is_alias(snapshot: bytes, events: Sequence[bytes]) -> bool:
    last = msgspec.json.decode(events[-1], type=AliasEvent)
    return fold_alias(last) == msgspec.json.decode(snapshot, type=AliasTarget)


def _is_usage(snapshot: bytes, events: Sequence[bytes]) -> bool:
    counts = Counts()
    for event in events:
        counts.add(msgspec.json.decode(event, type=Counts))
    return counts == msgspec.json.decode(snapshot, type=Counts)


# Streams of the system hold their whole state in each event.
def _is_policy(snapshot: bytes, events: Sequence[bytes]) -> bool:
    return policies.decode(events[-1]) == policies.decode(snapshot)


def _is_master(snapshot: bytes, events: Sequence[bytes]) -> bool:
    return masters.decode(events[-1]) == masters.decode(snapshot)


def _is_agent(snapshot: bytes, events: Sequence[bytes]) -> bool:
    agent: Agent | None = None
    for event in events:
        agent = fold_agent(agent, msgspec.json.decode(event, type=AgentEvent))
    return agent == decode_agent(snapshot)


def _is_kill_switch(snapshot: bytes, events: Sequence[bytes]) -> bool:
    switch = KillSwitch()
    for event in events:
        switch = fold_cut(switch, msgspec.json.decode(event, type=AgentsCut))
    return switch == decode_switch(snapshot)


def _is_grant(snapshot: bytes, events: Sequence[bytes]) -> bool:
    stored = decode_uses(snapshot)
    uses = GrantUses(key_id=stored.key_id)
    for event in events:
        uses = fold_use(uses, msgspec.json.decode(event, type=GrantUsed))
    return uses == stored


_FOLDS: Mapping[str, Callable[[bytes, Sequence[bytes]], bool]] = {
    "key": _is_key,
    "alias": _is_alias,
    "usage": _is_usage,
    "agent": _is_agent,
    "principal": _is_kill_switch,
    "grant": _is_grant,
    masters.STREAM: _is_master,
    policies.STREAM: _is_policy,
}
