"""The one place where the kernel reads the time."""

from __future__ import annotations

import time


class SystemClock:
    """The machine's clocks."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
