"""Failed authentications: recorded one by one up to a rate, beyond it counted and summarised.

So that strangers can fill no disk, and no stranger waits for, or delays, a commit.
"""

from __future__ import annotations

import asyncio

from aegis_kernel.domain.errors import AegisError
from aegis_kernel.engine.cache import BoundedCache
from aegis_kernel.engine.commit import Committer
from aegis_kernel.engine.observers import Observers
from aegis_kernel.engine.records import Scribe
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.journal import Entry, Record

WINDOW_SECONDS = 10.0
RECORDS_PER_SOURCE = 10
RECORDS_IN_ALL = 100
SOURCES_REMEMBERED = 1_000


class Strangers:
    """Counts per window of 10 s: 10 records per source, 100 in all, then one summary record."""

    def __init__(
        self, committer: Committer, scribe: Scribe, observers: Observers, clock: Clock
    ) -> None:
        self._committer = committer
        self._scribe = scribe
        self._observers = observers
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._start_window()

    def refused(self, source_ip: str | None, request_id: str | None, reason: str | None) -> None:
        """Note one failed authentication; returns at once."""
        self._observers.refused_authentication()
        if self._clock.monotonic() - self._window_began >= WINDOW_SECONDS:
            self.summarise()
        source = source_ip or ""
        seen = (self._by_source.get(source) or 0) + 1
        self._by_source.put(source, seen)
        if seen > RECORDS_PER_SOURCE or self._recorded >= RECORDS_IN_ALL:
            self._uncounted += 1
            return
        self._recorded += 1
        self._record(self._scribe.stranger(source_ip, request_id, reason))

    def summarise(self) -> None:
        """Record how many went unrecorded in this window, and begin the next."""
        if self._uncounted:
            self._record(self._scribe.strangers(self._uncounted))
        self._start_window()

    async def run(self) -> None:
        """Summarise at the end of every window until cancelled."""
        while True:
            await asyncio.sleep(WINDOW_SECONDS)
            self.summarise()

    async def aclose(self) -> None:
        """Record what is still only counted, and wait for it."""
        self.summarise()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _start_window(self) -> None:
        self._window_began = self._clock.monotonic()
        self._by_source: BoundedCache[str, int] = BoundedCache(SOURCES_REMEMBERED)
        self._recorded = 0
        self._uncounted = 0

    def _record(self, record: Record) -> None:
        task = asyncio.create_task(self._commit(record))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _commit(self, record: Record) -> None:
        try:
            await self._committer.commit(Entry(expects={}, records=(record,)))
        except AegisError:
            # The stranger has been refused either way; the journal's own health tells the operator.
            self._uncounted += 1
