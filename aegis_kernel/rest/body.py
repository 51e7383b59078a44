"""Request bodies: bounded in bytes and in time."""

from __future__ import annotations

import asyncio
from typing import Any

from aegis_kernel.domain.errors import BadRequestError, PayloadTooLargeError

SWEEP_SECONDS = 0.5


class Deadline:
    """Ends reads that take longer than `seconds`, by at most half a second later.

    One timer watches all of them: a timer for each read would cost twenty times the read.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many reads are under way."""
        return len(self._reading)

    async def keep(self, receive: Any, until: float) -> Any:
        """Return the next message. Raises BadRequestError at loop time `until`."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("bodies are read in tasks")
        self._reading[task] = until
        if self._timer is None:
            self._watch()
        try:
            return await receive()
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            task.uncancel()
            raise BadRequestError(f"The body did not arrive within {self.seconds:g} s") from None
        finally:
            del self._reading[task]
            self._late.discard(task)

    def _watch(self) -> None:
        pause = min(SWEEP_SECONDS, self.seconds)
        self._timer = asyncio.get_running_loop().call_later(pause, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for task, until in self._reading.items():
            if now >= until and task not in self._late:
                self._late.add(task)
                task.cancel()
        if self._reading:
            self._watch()


class BoundedBody:
    """The `receive` of a request that has a body: counts its bytes and its time."""

    def __init__(self, receive: Any, limit_bytes: int, deadline: Deadline) -> None:
        self._receive = receive
        self._limit_bytes = limit_bytes
        self._deadline = deadline
        self._until = asyncio.get_running_loop().time() + deadline.seconds
        self._bytes = 0
        self.is_complete = False
        self.is_late = False

    async def __call__(self) -> Any:
        """Return the next message. Raises PayloadTooLargeError, or BadRequestError for too slow."""
        if self.is_complete:
            return await self._receive()
        try:
            message = await self._deadline.keep(self._receive, self._until)
        except BadRequestError:
            self.is_late = True
            raise
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._limit_bytes:
            raise too_large(self._limit_bytes)
        self.is_complete = not message.get("more_body", False)
        return message


def too_large(limit_bytes: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"A body has at most {limit_bytes} bytes")


async def read_body(receive: Any) -> bytes:
    """Return the whole body; empty when there is none."""
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequestError("The client went away")
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)
