"""The reference journal: the contract in plain dictionaries.

No method awaits anything, so each one is a single step for the event loop: what `commit` does is
seen as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence

from aegis_journal_memory.store import Store
from aegis_kernel import (
    HEALTHY,
    Clock,
    Committed,
    Conflict,
    Entry,
    Found,
    Health,
    IdempotencyRow,
    Journal,
    KeyId,
    Lease,
    LedgerRecord,
    Material,
    MaterialRow,
    Page,
    Query,
    Stored,
)

_MAXIMUM_PAGE = 500


class MemoryJournal(Journal):
    """Keeps everything in this process and loses it with the process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._store = Store()
        self._cursors: dict[str, int] = {}
        self._leased: set[str] = set()

    @property
    def description(self) -> str:
        return "memory event journal (nothing survives the process)"

    async def open(self) -> None:
        return None

    async def aclose(self) -> None:
        return None

    async def check(self) -> Health:
        return HEALTHY

    async def load(self, stream: str) -> Stored | None:
        found = self._store.streams.get(stream)
        return found.stored if found else None

    async def history(self, stream: str) -> Sequence[bytes]:
        found = self._store.streams.get(stream)
        return tuple(found.events) if found else ()

    async def commit(self, entries: Sequence[Entry]) -> Sequence[Committed | Conflict]:
        return self._store.commit(entries, self._clock.time())

    async def replay(self, scope: str) -> IdempotencyRow | None:
        return self._store.row(scope, self._clock.time())

    async def material(self, key_id: KeyId, version: int) -> Material | None:
        return self._store.material.get((key_id, version))

    async def material_page(
        self, after: tuple[KeyId, int] | None, limit: int
    ) -> Sequence[MaterialRow]:
        stored = self._store.material
        places = sorted(place for place in stored if after is None or place > after)
        return tuple(
            MaterialRow(*place, stored[place]) for place in places[: min(limit, _MAXIMUM_PAGE)]
        )

    async def find(self, query: Query) -> Page:
        limit = min(query.limit, _MAXIMUM_PAGE)
        now = self._clock.time()
        matching = [
            Found(stream.position, stream.stored)
            for stream in self._store.streams.values()
            if stream.position > query.after and stream.matches(query, now)
        ]
        return Page(tuple(matching[:limit]), more=len(matching) > limit)

    async def ledger(self, after: int, limit: int) -> Sequence[LedgerRecord]:
        bodies = self._store.ledger[after : after + limit]
        return tuple(LedgerRecord(after + n, body) for n, body in enumerate(bodies, start=1))

    async def head(self) -> int:
        return len(self._store.ledger)

    async def cursor(self, sink: str) -> int:
        return self._cursors.get(sink, 0)

    async def advance(self, sink: str, position: int, lease: Lease) -> bool:
        if lease != _lease(lease.name) or lease.name not in self._leased:
            return False
        self._cursors[sink] = max(position, self._cursors.get(sink, 0))
        return True

    async def lease(self, name: str) -> Lease | None:
        self._leased.add(name)
        return _lease(name)


def _lease(name: str) -> Lease:
    # The store lives and dies with one process, so no second holder can ever raise the epoch.
    return Lease(name, epoch=1)
