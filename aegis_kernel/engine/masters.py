"""The stream `system/master`: which master keys protect each root's material, as the journal knows it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from aegis_kernel.domain.errors import BootError, UnavailableError
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.engine.records import Scribe
from aegis_kernel.spi.journal import Append, Committed, Conflict, Entry, Journal
from aegis_kernel.spi.root_of_trust import RootOfTrust
from aegis_kernel.spi.sealing import MaterialKeeper

STREAM = "system/master"
# How long a process may not know that another has rotated, where several share a journal.
FOLLOW_SECONDS = 1.0

_log = logging.getLogger("aegis")

Commit = Callable[[Entry], Awaitable[Committed | Conflict]]


class Fingerprints(msgspec.Struct, frozen=True, omit_defaults=True):
    """The event and the snapshot of this stream.

    `roots` is {root of trust: the master key that seals}; `older` has those that some material may
    still be under, while a rotation is under way.
    """

    roots: dict[str, str]
    older: dict[str, tuple[str, ...]] = {}

    def needed(self, root: str) -> frozenset[str]:
        """Return every master key that the root's material may be under."""
        newest = {self.roots[root]} if root in self.roots else set()
        return frozenset(newest.union(self.older.get(root, ())))


class Masters:
    """Refuses a wrong master key at boot; every new material expects this stream unmoved."""

    def __init__(
        self, journal: Journal, commit: Commit, scribe: Scribe, roots: Mapping[str, RootOfTrust]
    ) -> None:
        self._journal = journal
        self._commit = commit
        self._scribe = scribe
        self._roots = roots
        self.sequence = 0
        self.known = Fingerprints({})

    async def open(self) -> None:
        """Compare the roots' master keys with the journal's, and add what is new.

        Raises BootError when a root lacks a master key that the journal's material needs.
        """
        await self.reload()
        for name, root in self._roots.items():
            missing = self.known.needed(name) - set(_held(root))
            if missing:
                raise BootError(
                    f"root of trust {name} has another master key than the one that protects this "
                    f"journal's keys ({', '.join(sorted(missing))}); restore that master key, or "
                    "point the server at its own journal"
                )
        if not await self.adopt("the boot"):
            raise BootError("another server is booting on this journal; start this one again")
        if self.known.older or any(len(_held(root)) > 1 for root in self._roots.values()):
            _log.warning(
                "a rotation of the master key was cut off: `aegis-server master rotate` finishes it"
            )

    async def adopt(self, asked_by: str) -> bool:
        """Make the roots' newest master keys the journal's; return False if the stream has moved.

        The ones before stay known as older: a rotation is under way then, also one that a crash cut
        off right after the new master key was made.
        """
        roots, older, begun = dict(self.known.roots), dict(self.known.older), []
        for name, root in self._roots.items():
            newest = root.fingerprint
            if newest is None or newest == roots.get(name):
                continue
            others = tuple(sorted(self.known.needed(name) - {newest}))
            roots[name] = newest
            if others:
                older[name] = others
                begun.append(f"{name}: {newest} takes over from {', '.join(others)}")
        if not begun:
            return roots == self.known.roots or await self._record(Fingerprints(roots, older))
        said = f"{'; '.join(begun)}; asked by {asked_by}"
        return await self._record(Fingerprints(roots, older), said)

    async def retire(self, root: str, retired: Sequence[str], rows: int) -> bool:
        """Say that no material is under `retired` any more; return False if the stream has moved."""
        older = {name: names for name, names in self.known.older.items() if name != root}
        if older == self.known.older:
            return True
        said = f"{root}: {', '.join(retired)} retired, {rows} rows re-wrapped"
        return await self._record(Fingerprints(self.known.roots, older), said)

    async def refresh(self) -> None:
        """Learn where the stream stands after a conflict on it.

        Raises UnavailableError when another server has made a master key that is not at hand here:
        what this one seals would be lost when the older is retired.
        """
        await self.look_again()
        for name, root in self._roots.items():
            if root.fingerprint is not None and self.known.roots.get(name) != root.fingerprint:
                raise UnavailableError(
                    "The master key has been rotated elsewhere",
                    reason=f"give this server the new master key of {name}, and start it again",
                )

    async def look_again(self) -> None:
        """Learn what other processes have made of the master keys, and where the stream stands."""
        # The keys first: a rotation that begins in between is then seen as one that is not at hand.
        for root in self._roots.values():
            if isinstance(root, MaterialKeeper):
                await root.look_again()
        await self.reload()

    async def follow(self) -> None:
        """Look again if another process has begun or ended a rotation."""
        stored = await self._journal.load(STREAM)
        has_moved = stored is not None and stored.sequence != self.sequence
        if has_moved or any(
            set(root.fingerprints) != self.known.needed(name)
            for name, root in self._roots.items()
            if isinstance(root, MaterialKeeper)
        ):
            await self.look_again()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            try:
                await self.follow()
            except Exception:  # noqa: BLE001 - tried again at the next turn; requests say what is wrong
                _log.debug("the master keys could not be looked at")

    async def reload(self) -> None:
        """Learn where the stream stands."""
        stored = await self._journal.load(STREAM)
        if stored is not None:
            self.sequence = stored.sequence
            self.known = decode(stored.snapshot)

    async def _record(self, after: Fingerprints, said: str | None = None) -> bool:
        body = msgspec.json.encode(after)
        expected = self.sequence
        appended = Append(stream=STREAM, events=(body,), snapshot=body)
        records = (self._scribe.own(Operation.ROTATE_MASTER, said),) if said else ()
        entry = Entry(expects={STREAM: expected}, appends=(appended,), records=records)
        if isinstance(await self._commit(entry), Conflict):
            return False
        # Not "+= 1": a request that lost to this append may have read the new sequence meanwhile.
        self.sequence, self.known = expected + 1, after
        return True


def decode(body: bytes) -> Fingerprints:
    """Return what an event or a snapshot of this stream says."""
    return msgspec.json.decode(body, type=Fingerprints)


def _held(root: RootOfTrust) -> tuple[str, ...]:
    if isinstance(root, MaterialKeeper):
        return root.fingerprints
    return (root.fingerprint,) if root.fingerprint else ()
