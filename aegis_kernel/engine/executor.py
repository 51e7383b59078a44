"""The bounded pool for work that would block the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aegis_kernel.domain.errors import UnavailableError

Result = TypeVar("Result")


class BoundedExecutor:
    """Two lanes, for short work and for long, so that a signature does not wait for keys being made.

    Each has `threads` threads, and at most `waiting` pieces of work in all; beyond that it refuses.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._short = _Lane("aegis-work", threads, waiting)
        self._long = _Lane("aegis-long-work", threads, waiting)

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


class _Lane:
    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._room = waiting

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        if self._room <= 0:
            raise UnavailableError("Too much slow work is waiting; try again in a moment")
        self._room -= 1
        running = asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        running.add_done_callback(self._make_room)
        # Shielded: who gives up waiting frees no thread, so its room stays taken until it is done.
        return await asyncio.shield(running)

    def _make_room(self, done: asyncio.Future[Any]) -> None:
        self._room += 1
        if not done.cancelled():
            done.exception()  # seen, also where nobody waits for it any more

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
