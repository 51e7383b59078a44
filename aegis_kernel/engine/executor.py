"""The bounded pool for work that would block the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aegis_kernel.domain.errors import UnavailableError

Result = TypeVar("Result")


class BoundedExecutor:
    """`threads` threads, and at most `waiting` pieces of work in all; beyond that it refuses."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="aegis-work")
        self._room = waiting

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Return `work(*arguments)`, run in a thread. Raises UnavailableError when the pool is full."""
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
        """Wait for what runs, drop what waits."""
        self._pool.shutdown(wait=True, cancel_futures=True)
