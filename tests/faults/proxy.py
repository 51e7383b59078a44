"""A TCP proxy before Postgres that knows a commit when it sees one, and cuts or holds it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum, auto

CHUNK = 1 << 20


class Cut(StrEnum):
    """What happens to the commit."""

    #: It never reaches Postgres, and its connection is cut.
    BEFORE = auto()
    #: Postgres has carried it out; its answer is thrown away, and the connection is cut.
    AFTER = auto()
    #: It waits in the proxy until `release`.
    HOLD = auto()
    #: Its answer waits in the proxy until `release`.
    HOLD_ANSWER = auto()


class Proxy:
    """On a port that the machine chose. Its loop runs in a thread, so that tests may block theirs."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._armed: tuple[bytes, Cut] | None = None
        self._released = asyncio.Event()
        #: Set when the commit that it was armed for is there, and what was ordered is under way.
        self.reached = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._tasks: set[asyncio.Task[None]] = set()

    def arm(self, marker: bytes, cut: Cut) -> None:
        """Do `cut` to the next message to Postgres that holds `marker`, and to no other."""
        self.reached.clear()
        self._loop.call_soon_threadsafe(self._released.clear)
        self._armed = (marker, cut)

    def release(self) -> None:
        """Let what is held go on."""
        self._loop.call_soon_threadsafe(self._released.set)

    def close(self) -> None:
        self._call(self._aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _call(self, work):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _aclose(self) -> None:
        self._released.set()
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, ours: asyncio.StreamReader, to_us: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(OSError, asyncio.CancelledError):
            theirs, to_them = await asyncio.open_connection("127.0.0.1", self._upstream)
            link = _Link(self, ours, to_us, theirs, to_them)
            try:
                await link.run()
            finally:
                to_us.close()
                to_them.close()

    def take(self, chunk: bytes) -> Cut | None:
        """Return what to do to a chunk on its way to Postgres."""
        if self._armed is None or self._armed[0] not in chunk:
            return None
        cut, self._armed = self._armed[1], None
        return cut

    async def wait_for_release(self) -> None:
        self.reached.set()
        await self._released.wait()


class _Link:
    """One connection, both ways, until either end closes it."""

    def __init__(
        self,
        proxy: Proxy,
        ours: asyncio.StreamReader,
        to_us: asyncio.StreamWriter,
        theirs: asyncio.StreamReader,
        to_them: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._ours, self._to_us = ours, to_us
        self._theirs, self._to_them = theirs, to_them
        self._on_answer: Cut | None = None

    async def run(self) -> None:
        ways = [asyncio.create_task(self._there()), asyncio.create_task(self._back())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _there(self) -> None:
        while chunk := await self._ours.read(CHUNK):
            cut = self._proxy.take(chunk)
            if cut is Cut.BEFORE:
                self._proxy.reached.set()
                return
            if cut is Cut.HOLD:
                await self._proxy.wait_for_release()
            elif cut is not None:
                self._on_answer = cut
            self._to_them.write(chunk)
            await self._to_them.drain()

    async def _back(self) -> None:
        while chunk := await self._theirs.read(CHUNK):
            if self._on_answer is Cut.AFTER:
                self._proxy.reached.set()
                return
            if self._on_answer is Cut.HOLD_ANSWER:
                self._on_answer = None
                await self._proxy.wait_for_release()
            self._to_us.write(chunk)
            await self._to_us.drain()


@contextmanager
def proxy_before(port: int) -> Iterator[Proxy]:
    """A proxy to Postgres on this port, closed when the test is done with it."""
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
