"""How late the event loop is: what blocks it blocks every request, and here it is seen."""

from __future__ import annotations

import asyncio
import logging

from aegis_kernel.engine.observers import Observers
from aegis_kernel.spi.context import Clock

PULSE_SECONDS = 0.1
STANDSTILL_SECONDS = 1.0

_log = logging.getLogger("aegis")


class Pulse:
    """Measures ten times a second; a standstill of more than a second is logged too."""

    def __init__(self, observers: Observers, clock: Clock) -> None:
        self._observers = observers
        self._clock = clock

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = self._clock.monotonic() + PULSE_SECONDS
            await asyncio.sleep(PULSE_SECONDS)
            late = max(0.0, self._clock.monotonic() - due)
            self._observers.loop_late(late)
            if late > STANDSTILL_SECONDS:
                _log.warning("the event loop stood still for %.1f s; does a plugin block it?", late)
