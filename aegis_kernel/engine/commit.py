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

_Waiting = tuple[Entry, "asyncio.Future[Committed | Conflict]"]


class Committer:
    """One commit at a time, whatever the journal; `observe(entries, seconds)` sees each."""

    def __init__(
        self, journal: Journal, clock: Clock, observe: Callable[[int, float], None]
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._observe = observe
        self._waiting: list[_Waiting] = []
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
        if len(self._waiting) >= MAX_WAITING:
            raise UnavailableError("The journal is behind; try again in a moment")
        loop = asyncio.get_running_loop()
        verdict: asyncio.Future[Committed | Conflict] = loop.create_future()
        self._waiting.append((entry, verdict))
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
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                # Uses before appends: a use decided before a change is not made to lose to it.
                batch.sort(key=lambda waiting: bool(waiting[0].appends))
                await self._commit_batch(batch)
        finally:
            self._task = None

    async def _commit_batch(self, batch: list[_Waiting]) -> None:
        started = self._clock.monotonic()
        try:
            verdicts = await contained(self._journal.commit, [entry for entry, _ in batch])
            _check(verdicts, len(batch))
        except UnavailableError as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001 - a waiter left without an answer would hang
            failure = InternalError("The journal failed", reason=type(error).__name__)
            failure.__cause__ = error
            _fail(batch, failure)
        else:
            self._observe(len(batch), self._clock.monotonic() - started)
            for (_, future), verdict in zip(batch, verdicts, strict=True):
                if not future.done():
                    future.set_result(verdict)


def _check(verdicts: Sequence[Committed | Conflict], count: int) -> None:
    """Raise unless each entry has its verdict: a guess would release what was never recorded."""
    if len(verdicts) != count or not all(type(v) in (Committed, Conflict) for v in verdicts):
        raise PluginFaultError("not a verdict for each entry")


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
