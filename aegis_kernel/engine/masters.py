"""The stream `system/master`: which secret protects each root's material, as the journal knows it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from aegis_kernel.domain.errors import BootError
from aegis_kernel.spi.journal import Append, Conflict, Entry, Journal
from aegis_kernel.spi.root_of_trust import RootOfTrust

STREAM = "system/master"


class _Fingerprints(msgspec.Struct, frozen=True):
    """The event and the snapshot of this stream: {root of trust: fingerprint}."""

    roots: dict[str, str]


class Masters:
    """Refuses a wrong master key at boot; every new material expects this stream unmoved."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.sequence = 0

    async def open(self, roots: Mapping[str, RootOfTrust]) -> None:
        """Compare the roots' fingerprints with the journal's, and add those that are new.

        Raises BootError when a root's secret is not the one that the journal's material needs.
        """
        known = await self._load()
        offered = {name: root.fingerprint for name, root in roots.items() if root.fingerprint}
        for name, fingerprint in offered.items():
            if known.get(name, fingerprint) != fingerprint:
                raise BootError(
                    f"root of trust {name} has another master key than the one that protects this "
                    "journal's keys; restore that master key, or point the server at its own journal"
                )
        if not offered.items() <= known.items():
            await self._record(known | offered)

    async def refresh(self) -> None:
        """Learn the stream's present sequence after a conflict on it."""
        await self._load()

    async def _load(self) -> dict[str, str]:
        stored = await self._journal.load(STREAM)
        if stored is None:
            return {}
        self.sequence = stored.sequence
        return msgspec.json.decode(stored.snapshot, type=_Fingerprints).roots

    async def _record(self, roots: dict[str, str]) -> None:
        body = msgspec.json.encode(_Fingerprints(roots))
        appended = Append(stream=STREAM, events=(body,), snapshot=body)
        entry = Entry(expects={STREAM: self.sequence}, appends=(appended,))
        (verdict,) = await self._journal.commit([entry])
        if isinstance(verdict, Conflict):
            raise BootError("another server is booting on this journal; start this one again")
        self.sequence += 1
