"""The server's end of every connection: uvicorn, bounded where it is not, and stopped by us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from aegis_kernel.acceptor import Acceptor
from aegis_kernel.domain.errors import BootError
from aegis_kernel.sockets import bind, cannot_listen

KEEP_ALIVE_SECONDS = 65
HEAD_SECONDS = 10.0
# How long an answer may stand in our memory because the client does not read it.
READ_SECONDS = 30.0
HEAD_BYTES = 64 * 1024
# Longer than a body may take to arrive: a slow client is refused, not cut off.
FINISH_SECONDS = 12

# The extension of a request's scope that sends a whole answer; the wire's edge looks for this name.
WRITE_WHOLE = "aegis.write_whole"

Headers = tuple[tuple[bytes, bytes], ...]

# Of these uvicorn makes more than a line.
_OF_THE_SERVER = frozenset({b"connection", b"content-length", b"transfer-encoding"})


class Listener(uvicorn.Server):
    """Serves `app`, an edge, until told. `on_listening` is called with the port, once it is open."""

    def __init__(self, app: Any, host: str, port: int, on_listening: Callable[[int], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                loop="none",
                http=Connection,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                # A forwarded address is whatever a client says; the audit record has the real peer.
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=FINISH_SECONDS,
            )
        )
        self.shed = app.shed
        self._on_listening = on_listening
        self.is_draining = False

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        # uvicorn would stop listening at once and exit by the signal; we drain and exit 0.
        yield

    async def startup(self, sockets: Any = None) -> None:
        """Open the port, or listen at bound `sockets`. Raises BootError with what mends it."""
        host, port, backlog = self.config.host, self.config.port, self.config.backlog
        bound = sockets or bind(host, port)
        try:
            self.acceptors = [Acceptor(each, self._connection, backlog) for each in bound]
        except OSError as error:
            raise BootError(cannot_listen(host, port, error)) from error
        self.servers = cast("list[asyncio.Server]", self.acceptors)  # uvicorn closes them
        self.started = True
        self._on_listening(bound[0].getsockname()[1])

    def drain(self, seconds: float) -> None:
        """Serve on for `seconds`, closing each connection after its answer, then stop.

        Told again, stop at once: no new connections, and the last answers.
        """
        if self.is_draining:
            self.should_exit = True
        self.is_draining = True
        asyncio.get_running_loop().call_later(seconds, setattr, self, "should_exit", True)

    def retire(self, seconds: float) -> None:
        """Accept no more: others listen at the same sockets. Then as `drain`."""
        for server in self.servers:
            server.close()
        self.drain(seconds)

    def _connection(self) -> asyncio.Protocol:
        return Connection(self.config, self.server_state, {}, listener=self)


class Connection(HttpToolsProtocol):
    """uvicorn's, with bounds on a request's head: its bytes, and the time it takes to arrive.

    The timer runs only while a head is awaited: most arrive in one piece and cost none.
    """

    def __init__(self, *arguments: Any, listener: Listener) -> None:
        super().__init__(*arguments)
        self._listener = listener
        self._timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None
        self._is_in_head = False
        # Whether the last bytes ended a request: what was refused before is over then.
        self._is_whole = False
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_reader_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader_timer = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_reader_timer()

    def _stop_reader_timer(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None

    def data_received(self, data: bytes) -> None:
        was_in_head, self._is_whole = self._is_in_head, False
        super().data_received(data)
        if self.transport.is_closing():
            return
        self._head_bytes = self._head_bytes + len(data) if was_in_head else 0
        if self._is_in_head and self._head_bytes > HEAD_BYTES:
            self.send_400_response(f"The head of a request has at most {HEAD_BYTES} bytes")
        elif self._is_in_head or not (self._is_serving() or self._is_whole):
            self._await_head()
        else:
            self._stop_timer()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head, self._is_whole = True, False

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()
        extensions: dict[str, Any] = {WRITE_WHOLE: partial(write_whole, self.cycle)}
        self.scope["extensions"] = extensions
        if self._listener.is_draining:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_whole = True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # What waits behind another on this connection is not answered here: one answer would call for
        # the next, as deep as the client likes.
        if not self.pipeline and not cycle.waiting_for_100_continue:
            refused = self._listener.shed(cycle.scope, len(self.tasks))
            if refused is not None:
                answer, request_id = refused
                if write_whole(cycle, answer.status, answer.headers, request_id, answer.body):
                    return
        super()._start_asgi_task(cycle, app)

    def _is_serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_head(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self._is_serving():
            self._await_head()
        else:
            self.transport.close()


def write_whole(
    cycle: RequestResponseCycle, status: int, headers: Headers, request_id: bytes, body: bytes
) -> bool:
    """Write head and body of a request's answer at once, and end it as two messages would.

    Each write to a socket costs some microseconds, and so does each message.

    Returns False, and does nothing, where uvicorn must look closer: the connection ends with this
    answer, the client reads too slowly, or the head is no common one.
    """
    if cycle.disconnected or cycle.response_started or not cycle.keep_alive:
        return False
    head = _head(status, headers)
    if cycle.flow.write_paused or head is None:
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(
        b"%bcontent-length: %d\r\nx-request-id: %b\r\n\r\n%b" % (head, len(body), request_id, body)
    )
    cycle.message_event.set()
    cycle.on_response()
    return True


@lru_cache(maxsize=64)
def _head(status: int, headers: Headers) -> bytes | None:
    """Return the status line and these headers, None for what is not for us to write."""
    if status in (204, 304):  # RFC 9110 §8.6: they have no length
        return None
    for name, value in headers:
        if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value) or name in _OF_THE_SERVER:
            return None
    return STATUS_LINE[status] + b"".join([b"%b: %b\r\n" % header for header in headers])
