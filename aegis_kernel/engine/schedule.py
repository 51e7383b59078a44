"""The sweep: destroys keys whose time has come."""

from __future__ import annotations

import asyncio
import logging

from aegis_kernel.domain.errors import AegisError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.principal import SYSTEM_SUBJECT, Principal, PrincipalKind
from aegis_kernel.engine.operations.declaration import Caller
from aegis_kernel.engine.operations.messages import Transition
from aegis_kernel.engine.operations.transitions import DESTROY
from aegis_kernel.engine.pipeline import Pipeline
from aegis_kernel.engine.streams import decode_snapshot
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.journal import Journal, Query

BATCH_KEYS = 100

_log = logging.getLogger("aegis")


class Sweep:
    """Destroys a due key at its second sighting, `seconds` of monotonic time after the first.

    So a wall clock that jumps ahead once destroys nothing that it does not still find due.
    """

    def __init__(self, journal: Journal, pipeline: Pipeline, clock: Clock, seconds: float) -> None:
        self._journal = journal
        self._pipeline = pipeline
        self._clock = clock
        self._seconds = seconds
        self._sighted: dict[KeyId, float] = {}
        self._caller = Caller(Principal(subject=SYSTEM_SUBJECT, kind=PrincipalKind.SERVICE))

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.once()
            except Exception:  # noqa: BLE001 - a sweep that fails is tried again at the next turn
                _log.warning("the sweep failed; it runs again in %s s", self._seconds)

    async def once(self) -> int:
        """Look once; return how many keys were destroyed."""
        if await self._journal.lease("sweep") is None:
            return 0
        due = await self._due()
        now = self._clock.monotonic()
        self._sighted = {key_id: self._sighted.get(key_id, now) for key_id in due}
        ripe = [k for k, first in self._sighted.items() if now - first >= self._seconds]
        return sum([await self._destroy(key_id) for key_id in ripe])

    async def _due(self) -> list[KeyId]:
        page = await self._journal.find(Query(prefix="key/", due=True, limit=BATCH_KEYS))
        return [decode_snapshot(found.stored.snapshot).id for found in page.items]

    async def _destroy(self, key_id: KeyId) -> bool:
        try:
            await self._pipeline.run(DESTROY, self._caller, Transition(), key_id)
        except AegisError as error:
            _log.warning("key %s is due for destruction, but: %s", key_id, error.message)
            return False
        return True
