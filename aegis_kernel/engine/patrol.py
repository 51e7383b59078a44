"""Looks for keys whose time has come, and believes the clock only at a second sighting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

from aegis_kernel.domain.key import Key, KeyId
from aegis_kernel.engine.streams import decode_snapshot
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.journal import Journal, Query

PAGE_KEYS = 500
# So many due keys are looked at in one turn, whatever it is that they are due for.
MAX_KEYS = 10_000

IsDue = Callable[[Key, datetime], bool]


class Patrol:
    """Names a due key at its second sighting, `seconds` of monotonic time after the first.

    So a wall clock that jumps ahead once leads to nothing that it does not still find due.
    """

    def __init__(self, journal: Journal, clock: Clock, seconds: float, is_due: IsDue) -> None:
        self._journal = journal
        self._clock = clock
        self._seconds = seconds
        self._is_due = is_due
        self._sighted: dict[KeyId, float] = {}

    async def ripe(self) -> list[KeyId]:
        """Look once; return the keys that were due before and still are."""
        moment = datetime.fromtimestamp(self._clock.time(), UTC)
        due = [key.id async for key in self._found() if self._is_due(key, moment)]
        now = self._clock.monotonic()
        self._sighted = {key_id: self._sighted.get(key_id, now) for key_id in due}
        return [k for k, first in self._sighted.items() if now - first >= self._seconds]

    async def _found(self) -> AsyncIterator[Key]:
        after = 0
        for _ in range(MAX_KEYS // PAGE_KEYS):
            query = Query(prefix="key/", due=True, after=after, limit=PAGE_KEYS)
            page = await self._journal.find(query)
            for found in page.items:
                yield decode_snapshot(found.stored.snapshot)
            if not page.more:
                return
            after = page.last
