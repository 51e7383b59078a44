"""One deadline for many awaits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

TICKS = 10

Result = TypeVar("Result")


class Deadline:
    """Ends awaits that take longer than `seconds`, by at most a tenth of it later.

    One timer watches all of them: a timer for each would cost more than most of what is awaited.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._kept: dict[asyncio.Task[Any], int] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._tick = 0
        self._timer: asyncio.TimerHandle | None = None

    async def keep(self, awaited: Awaitable[Result]) -> Result:
        """Return what `awaited` returns. Raises TimeoutError past the deadline. Not to be nested."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("deadlines are kept in tasks")
        self._kept[task] = self._tick
        if self._timer is None:
            self._watch()
        try:
            return await awaited
        except asyncio.CancelledError:
            if task not in self._late or task.uncancel() > 0:
                raise
            raise TimeoutError(f"not within {self.seconds:g} s") from None
        finally:
            del self._kept[task]
            self._late.discard(task)

    def _watch(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.seconds / TICKS, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        self._tick += 1
        for task, began in self._kept.items():
            if self._tick - began > TICKS and task not in self._late:
                self._late.add(task)
                task.cancel()
        if self._kept:
            self._watch()
