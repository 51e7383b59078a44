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
SHORTEST_SLEEP_SECONDS = 0.1


class Strangers:
    """Counts per window of 10 s: 10 records per source, 100 in all, then one summary record.

    Every failure is in exactly one record, its own or a summary; in two if the journal could not
    say whether the first was committed.
    """

    def __init__(
        self, committer: Committer, scribe: Scribe, observers: Observers, clock: Clock
    ) -> None:
        self._committer = committer
        self._scribe = scribe
        self._observers = observers
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._unrecorded = 0
        self._start_window()

    def refused(self, source_ip: str | None, request_id: str | None, reason: str | None) -> None:
        """Note one failed authentication; returns at once."""
        self._observers.refused_authentication()
        self._end_window_if_due()
        source = source_ip or ""
        recorded = self._recorded_by.get(source) or 0
        if recorded >= RECORDS_PER_SOURCE or self._recorded >= RECORDS_IN_ALL or self._is_behind():
            self._unrecorded += 1
            self._unrecorded_by.put(source, (self._unrecorded_by.get(source) or 0) + 1)
            return
        self._recorded += 1
        self._recorded_by.put(source, recorded + 1)
        self._record(self._scribe.stranger(source_ip, request_id, reason), 1)

    def summarise(self) -> None:
        """Record how many went unrecorded in this window, and begin the next."""
        if self._unrecorded and not self._is_behind():
            count, self._unrecorded = self._unrecorded, 0
            self._record(self._scribe.strangers(count, *self._most_frequent()), count)
        self._start_window()

    async def run(self) -> None:
        """Summarise at the end of every window until cancelled."""
        while True:
            ends = self._window_began + WINDOW_SECONDS
            await asyncio.sleep(max(ends - self._clock.monotonic(), SHORTEST_SLEEP_SECONDS))
            self._end_window_if_due()

    async def aclose(self) -> None:
        """Record what is still only counted, and wait for it."""
        await self._settle()
        self.summarise()
        await self._settle()

    def _end_window_if_due(self) -> None:
        if self._clock.monotonic() - self._window_began >= WINDOW_SECONDS:
            self.summarise()

    def _start_window(self) -> None:
        self._window_began = self._clock.monotonic()
        self._recorded_by: BoundedCache[str, int] = BoundedCache(SOURCES_REMEMBERED)
        self._unrecorded_by: BoundedCache[str, int] = BoundedCache(SOURCES_REMEMBERED)
        self._recorded = 0

    def _most_frequent(self) -> tuple[str | None, str | None]:
        """Return the source with most unrecorded failures, and how many; with many sources a guess.

        Who comes seldom may have been forgotten, and counts from its return: hence "at least".
        """
        by_source = self._unrecorded_by.items()
        source, count = max(by_source, key=lambda item: item[1], default=("", 0))
        if not source:
            return None, None
        sources = len(by_source)
        return source, f"at least {count} of them from this source; sources: at least {sources}"

    def _is_behind(self) -> bool:
        """Return whether the journal has not taken what it was given: nothing more waits for it."""
        return len(self._tasks) >= RECORDS_IN_ALL

    def _record(self, record: Record, count: int) -> None:
        task = asyncio.create_task(self._commit(record, count))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _commit(self, record: Record, count: int) -> None:
        try:
            await self._committer.commit(Entry(expects={}, records=(record,)))
        except AegisError:
            # The stranger has been refused either way; the journal's own health tells the operator.
            self._unrecorded += count

    async def _settle(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)
