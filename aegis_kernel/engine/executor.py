"""The bounded pool for work that would block the event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from aegis_kernel.spi.threads import BoundedThreads

Result = TypeVar("Result")


class BoundedExecutor:
    """Two lanes, for short work and for long, so that a signature does not wait for keys being made.

    Each has `threads` threads, and at most `waiting` pieces of work in all; beyond that it refuses.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._short = BoundedThreads("aegis-work", threads, waiting)
        self._long = BoundedThreads("aegis-long-work", threads, waiting)

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Return `work(*arguments)`, run in a thread. Raises UnavailableError when the lane is full."""
        return await self._short.run(work, *arguments)

    async def run_long(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """As `run`, for work of more than 50 ms or so."""
        return await self._long.run(work, *arguments)

    def close(self) -> None:
        """Wait for what runs, drop what waits."""
        self._short.close()
        self._long.close()
