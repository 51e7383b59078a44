"""A wall clock that steps while the server runs, as a careless NTP server would set it."""

from __future__ import annotations

import time
from pathlib import Path

from aegis_kernel.engine.clock import SystemClock


def set_by(file: str) -> None:
    """Add to the wall clock the seconds that stand in `file` (a change of the launcher)."""
    source = Path(file)

    def now(self: SystemClock) -> float:
        return time.time() + float(source.read_text() or 0)

    SystemClock.time = now  # type: ignore[method-assign]


def step(file: Path, seconds: float) -> None:
    """Set the clock of the server that reads `file` so many seconds off; in one step."""
    new = file.with_suffix(".new")
    new.write_text(str(seconds))
    new.replace(file)
