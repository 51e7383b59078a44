"""A bounded pool of threads: what plugins with a blocking library keep for themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aegis_kernel.domain.errors import UnavailableError

Result = TypeVar("Result")


class BoundedThreads:
    """At most `threads` pieces of work at once, and at most `waiting` at work or waiting in all.

    A backend that hangs holds its own threads only: beyond the bound work is refused, not queued.
    """

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._room = waiting

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Return `work(*arguments)`, run in a thread. Raises UnavailableError when there is no room."""
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
