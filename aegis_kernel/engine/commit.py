"""Group commit: entries that arrive while a commit is under way go together in the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from aegis_kernel.domain.errors import InternalError, UnavailableError
from aegis_kernel.engine.faults import PluginFaultError, contained
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.journal import Committed, Conflict, Entry, Journal

MAX_BATCH = 128
MAX_WAITING = 8192
# An entry is refused at the door when it would wait half as long, and dropped after this long.
WAIT_SECONDS = 1.0

_Waiting = tuple[Entry, "asyncio.Future[Committed | Conflict]", float]


class Committer:
    """One commit at a time, whatever the journal; `observe(entries, seconds)` sees each."""

    def __init__(
        self, journal: Journal, clock: Clock, observe: Callable[[int, float], None]
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._observe = observe
        self._waiting: list[_Waiting] = []
        self._most_waiting = MAX_WAITING
        self._entry_seconds = 0.0
        self._task: asyncio.Task[None] | None = None
        #: Set to a message while nothing may be committed: a required audit sink is too far behind.
        self.closed_because: str | None = None

    async def commit(self, entry: Entry) -> Committed | Conflict:
        """Return the verdict once it is durable.

        Raises UnavailableError when too many entries wait, when commits are closed, or when the
        journal cannot answer.
        """
        if self.closed_because is not None:
            raise UnavailableError(self.closed_because, retry_after_seconds=5)
        if len(self._waiting) >= self._most_waiting:
            raise UnavailableError("The journal is behind; try again in a moment")
        loop = asyncio.get_running_loop()
        verdict: asyncio.Future[Committed | Conflict] = loop.create_future()
        self._waiting.append((entry, verdict, self._clock.monotonic()))
        if self._task is None:
            self._task = loop.create_task(self._drain())
        return await verdict

    async def aclose(self) -> None:
        """Wait until everything handed in is answered."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _drain(self) -> None:
        try:
            while self._waiting:
                # What has arrived in this pass of the loop comes along: fewer, larger commits.
                await asyncio.sleep(0)
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                # Uses before appends: a use decided before a change is not made to lose to it.
                batch.sort(key=lambda waiting: bool(waiting[0].appends))
                await self._commit_batch(batch)
        finally:
            self._task = None

    def _learn(self, seconds: float) -> None:
        """Bound the queue by the time that an entry takes now, a moving mean of commits."""
        self._entry_seconds += 0.1 * (seconds - self._entry_seconds)
        if self._entry_seconds > 0:
            bound = int(WAIT_SECONDS / 2 / self._entry_seconds)
            self._most_waiting = max(MAX_BATCH, min(MAX_WAITING, bound))

    async def _commit_batch(self, batch: list[_Waiting]) -> None:
        started = self._clock.monotonic()
        batch = _in_time(batch, started - WAIT_SECONDS)
        if not batch:
            return
        try:
            verdicts = await contained(self._journal.commit, [entry for entry, _, _ in batch])
            _check(verdicts, len(batch))
        except UnavailableError as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001 - a waiter left without an answer would hang
            failure = InternalError("The journal failed", reason=type(error).__name__)
            failure.__cause__ = error
            _fail(batch, failure)
        else:
            seconds = self._clock.monotonic() - started
            self._learn(seconds / len(batch))
            self._observe(len(batch), seconds)
            for (_, future, _), verdict in zip(batch, verdicts, strict=True):
                if not future.done():
                    future.set_result(verdict)


def _in_time(batch: list[_Waiting], since: float) -> list[_Waiting]:
    """Return the entries that came after `since`; the others were never tried, and are told so."""
    _fail(
        [waiting for waiting in batch if waiting[2] < since],
        UnavailableError("The journal is behind; try again in a moment"),
    )
    return [waiting for waiting in batch if waiting[2] >= since]


def _check(verdicts: Sequence[Committed | Conflict], count: int) -> None:
    """Raise unless each entry has its verdict: a guess would release what was never recorded."""
    if len(verdicts) != count or not all(type(v) in (Committed, Conflict) for v in verdicts):
        raise PluginFaultError("not a verdict for each entry")


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for _, future, _ in batch:
        if not future.done():
            future.set_exception(error)
