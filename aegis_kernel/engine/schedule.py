"""The sweep: destroys keys whose time has come."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from aegis_kernel.domain.errors import AegisError
from aegis_kernel.domain.key import Key, KeyId
from aegis_kernel.domain.principal import SYSTEM_SUBJECT, Principal, PrincipalKind
from aegis_kernel.engine.operations.declaration import Caller
from aegis_kernel.engine.operations.messages import Transition
from aegis_kernel.engine.operations.transitions import DESTROY
from aegis_kernel.engine.patrol import Patrol
from aegis_kernel.engine.pipeline import Pipeline
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.journal import Journal

_log = logging.getLogger("aegis")


class Sweep:
    """Destroys a due key at its second sighting, `seconds` of monotonic time after the first."""

    def __init__(self, journal: Journal, pipeline: Pipeline, clock: Clock, seconds: float) -> None:
        self._journal = journal
        self._pipeline = pipeline
        self._seconds = seconds
        self._patrol = Patrol(journal, clock, seconds, _is_doomed)
        self._caller = system_caller()

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
        return sum([await self._destroy(key_id) for key_id in await self._patrol.ripe()])

    async def _destroy(self, key_id: KeyId) -> bool:
        try:
            await self._pipeline.run(DESTROY, self._caller, Transition(), key_id)
        except AegisError as error:
            _log.warning("key %s is due for destruction, but: %s", key_id, error.message)
            return False
        return True


def system_caller() -> Caller:
    """Return whom the kernel's own doings are recorded under."""
    return Caller(Principal(subject=SYSTEM_SUBJECT, kind=PrincipalKind.SERVICE))


def _is_doomed(key: Key, moment: datetime) -> bool:
    return key.destroy_at is not None and key.destroy_at <= moment
