"""Feeds each audit sink from the ledger, in order, at least once, at the sink's own pace."""

from __future__ import annotations

import asyncio
import logging

from aegis_kernel.engine.commit import Committer
from aegis_kernel.engine.faults import ANYTHING, Faults, contained
from aegis_kernel.engine.observers import Observers
from aegis_kernel.spi.audit_sink import AuditSink
from aegis_kernel.spi.journal import Journal
from aegis_kernel.spi.telemetry import SinkLag

BATCH_RECORDS = 1_000
PAUSE_SECONDS = 0.05
DELIVER_SECONDS = 30.0
LONGEST_BACKOFF_SECONDS = 30.0
LAG_SECONDS = 1.0

_log = logging.getLogger("aegis")


class SinkFeed:
    """One sink and its cursor. A slow or dead sink delays nobody and loses nothing."""

    def __init__(
        self,
        name: str,
        sink: AuditSink,
        journal: Journal,
        *,
        required: bool,
        faults: Faults | None = None,
    ) -> None:
        self.name = name
        self.required = required
        self.lag_records = 0
        self._sink = sink
        self._faults = faults
        self._journal = journal
        self._woken = asyncio.Event()
        self._failures = 0

    def wake(self) -> None:
        """Say that the ledger has grown."""
        self._woken.set()

    @property
    def is_failing(self) -> bool:
        return self._failures > 0

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            self._woken.clear()
            if not await self._deliver_all():
                await asyncio.sleep(min(LONGEST_BACKOFF_SECONDS, 0.1 * 2**self._failures))
                continue
            await self._wait_for_more()

    async def flush(self, seconds: float) -> None:
        """Deliver what is left, for at most `seconds`; the rest comes after the next start."""
        try:
            await asyncio.wait_for(self._deliver_all(), seconds)
        except TimeoutError:
            _log.warning("audit sink %s is behind; it catches up after the next start", self.name)

    async def measure(self) -> None:
        """Learn how far behind the sink is."""
        head, cursor = await self._journal.head(), await self._journal.cursor(self.name)
        self.lag_records = head - cursor

    async def _wait_for_more(self) -> None:
        # Woken by commits of this process; the timeout is for those of others. Not wait_for, which
        # loses a cancellation that comes together with a commit, as the last one before the end does.
        try:
            async with asyncio.timeout(1.0):
                await self._woken.wait()
        except TimeoutError:
            return
        await asyncio.sleep(PAUSE_SECONDS)

    async def _deliver_all(self) -> bool:
        try:
            while await self._deliver_batch():
                pass
        except Exception as error:  # noqa: BLE001 - a sink may raise anything, and must stop nothing
            self._failures = min(self._failures + 1, 16)
            if self._failures == 1:
                _log.warning("audit sink %s failed (%s); retrying", self.name, type(error).__name__)
            return False
        self._failures = 0
        return True

    async def _deliver_batch(self) -> bool:
        # Asked for with each batch: a catch-up may take longer than a lease that nobody asks for.
        lease = await self._journal.lease(f"sink/{self.name}")
        if lease is None:
            return False
        cursor = await self._journal.cursor(self.name)
        records = await self._journal.ledger(cursor, BATCH_RECORDS)
        if not records:
            return False
        try:
            async with asyncio.timeout(DELIVER_SECONDS):
                await contained(self._sink.deliver, records)
        except ANYTHING as error:
            if self._faults is not None:
                self._faults.note("audit_sink", self.name, error)
            raise
        moved = await self._journal.advance(self.name, records[-1].position, lease)
        return moved and len(records) == BATCH_RECORDS


class Delivery:
    """All feeds together."""

    def __init__(
        self, feeds: tuple[SinkFeed, ...], committer: Committer, observers: Observers, backlog: int
    ) -> None:
        self._feeds = feeds
        self._committer = committer
        self._observers = observers
        self._backlog = backlog
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(feed.run()) for feed in self._feeds]
        self._tasks.append(asyncio.create_task(self._measure()))

    def wake(self) -> None:
        for feed in self._feeds:
            feed.wake()

    @property
    def feeds(self) -> tuple[SinkFeed, ...]:
        return self._feeds

    async def aclose(self, seconds: float) -> None:
        """Stop, then flush every feed for at most `seconds`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(feed.flush(seconds) for feed in self._feeds))

    async def _measure(self) -> None:
        while True:
            try:
                for feed in self._feeds:
                    await feed.measure()
                lags = tuple(SinkLag(feed.name, feed.lag_records) for feed in self._feeds)
                self._observers.sinks(lags)
                self._committer.closed_because = self._overdue()
            except Exception:  # noqa: BLE001 - the journal's health is told elsewhere
                _log.debug("the lag of the sinks cannot be read now")
            await asyncio.sleep(LAG_SECONDS)

    def _overdue(self) -> str | None:
        overdue = any(feed.required and feed.lag_records > self._backlog for feed in self._feeds)
        return "A required audit sink is too far behind; try again later" if overdue else None
