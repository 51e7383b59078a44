"""Accepting connections, as many as wait."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

MOST_AT_ONCE = 128
# Without a free descriptor every turn of the loop would only fail again.
PAUSE_SECONDS = 1.0

_SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_log = logging.getLogger("aegis")


class Acceptor:
    """Listens at a bound socket, for as long as it is not closed. Made within a running loop.

    libuv takes one connection in each turn of the loop. With much to do turns are long, and whoever
    came last waited for seconds before anybody saw that there was a request.
    """

    def __init__(
        self, listening: socket.socket, protocol: Callable[[], asyncio.Protocol], backlog: int
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._tasks: set[asyncio.Task[object]] = set()
        self._is_closed = False
        self.socket = listening
        listening.setblocking(False)
        listening.listen(backlog)
        self._go_on()

    def close(self) -> None:
        """Accept no more; what was accepted goes on."""
        if not self._is_closed:
            self._is_closed = True
            self._loop.remove_reader(self.socket)
            self.socket.close()

    async def wait_closed(self) -> None:
        """Return once every connection that was accepted has its protocol."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _go_on(self) -> None:
        if not self._is_closed:
            self._loop.add_reader(self.socket, self._accept)

    def _accept(self) -> None:
        for _ in range(MOST_AT_ONCE):
            try:
                connection, _ = self.socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _SCARCE:
                    raise
                _log.error("no connection can be accepted now: %s", error.strerror)
                self._loop.remove_reader(self.socket)
                self._loop.call_later(PAUSE_SECONDS, self._go_on)
                return
            self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(
            self._loop.connect_accepted_socket(self._protocol, connection)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
