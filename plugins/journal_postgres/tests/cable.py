"""A cable between the journal and Postgres, which tests cut at a chosen moment."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit


class Cable:
    """Forwards bytes. `cut` names when connections that carry a commit break, once each."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        #: "before": the call never reaches the server; "answer": the server's answer never leaves;
        #: "stall": it is kept, and the connection stays as if nothing were wrong.
        self.cut: str | None = None
        self.cuts = 0

    async def __aenter__(self) -> Cable:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"postgresql://{self._target.username}@127.0.0.1:{port}{self._target.path}"

    async def _serve(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        far, to_far = await asyncio.open_connection(self._target.hostname, self._target.port)
        state: dict[str, str | None] = {"cut": None}
        both = [
            asyncio.create_task(self._requests(near, to_far, state)),
            asyncio.create_task(self._answers(far, to_near, state)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            for writer in (to_near, to_far):
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
            self._tasks.discard(task)

    async def _requests(self, near, to_far, state) -> None:
        while data := await near.read(65536):
            # The record's own note marks the call; it may be a prepared statement by now.
            if self.cut is not None and b"cut here" in data:
                self.cuts += 1
                how, self.cut = self.cut, None
                if how == "before":
                    return
                state["cut"] = how
            to_far.write(data)
            await to_far.drain()

    async def _answers(self, far, to_near, state) -> None:
        while data := await far.read(65536):
            if state["cut"] == "stall":
                continue
            if state["cut"]:
                return
            to_near.write(data)
            await to_near.drain()
