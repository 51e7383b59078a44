"""The admin socket: a running server takes requests from its own user and root, on this machine.

A request is one line of JSON, and so is the answer: {"ok": …} or {"error": code, "message": …}. The
kernel of the operating system says who is at the other end (SO_PEERCRED); where it cannot, nothing
listens.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import msgspec

from aegis_kernel.commands.actions import Request, Tools, carry_out
from aegis_kernel.domain.errors import AegisError, BootError, InternalError

NAME = "admin.sock"
MOST_CONNECTIONS = 8
MOST_BYTES = 8192
REQUEST_SECONDS = 5.0
# sun_path has 108 bytes on Linux; a longer path is named by an open directory instead.
_PATH_BYTES = 100

_log = logging.getLogger("aegis")


class AdminSocket:
    """`async with AdminSocket(kernel, data_dir):` listens at `admin.sock` there, mode 0600.

    Where it cannot, it says so once; the server serves without.
    """

    def __init__(
        self,
        tools: Tools,
        data_dir: Path,
        *,
        handed: bool = False,
        listening: socket.socket | None = None,
    ) -> None:
        """`handed`: the socket is a supervisor's, which hands it (`listening`) to one worker."""
        self._tools = tools
        self._data_dir = data_dir
        self.is_handed = handed
        self._handed = listening
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[object]] = set()

    async def __aenter__(self) -> AdminSocket:
        listening = self._handed if self.is_handed else listen_for_operators(self._data_dir)
        if listening is None:
            return self
        self._server = await asyncio.start_unix_server(
            self._converse, sock=listening, limit=MOST_BYTES
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is None:
            return
        self.leave()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self.is_handed:
            with suppress(OSError):
                os.unlink(self._data_dir / NAME)

    def leave(self) -> None:
        """Take no further requests; what was begun goes on."""
        if self._server is not None:
            self._server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._tasks) >= MOST_CONNECTIONS:
            writer.close()
            return
        self._tasks.add(task)
        try:
            writer.write(await self._answer(reader, _peer(writer)) + b"\n")
            await writer.drain()
        except (OSError, TimeoutError):
            _log.warning("an admin connection was cut off")
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, uid: int) -> bytes:
        try:
            line = await asyncio.wait_for(reader.readline(), REQUEST_SECONDS)
            request = msgspec.json.decode(line, type=Request)
        except (ValueError, msgspec.DecodeError):
            return _error("BadRequest", "this is no request that this server knows")
        if uid not in (0, os.geteuid()):
            _log.warning("uid %s was refused at the admin socket", uid)
            return _error("PermissionDenied", "only the server's own user and root may ask")
        _log.info("uid %s asks for %s", uid, request.do)
        try:
            answer = await carry_out(self._tools, request, f"uid {uid}")
        except AegisError as error:
            return _error(error.code, error.message)
        except BootError as error:
            return _error("Unavailable", str(error))
        except Exception:  # noqa: BLE001 - whoever asked must be told
            _log.exception("%s failed", request.do)
            return _error(InternalError.code, "Unexpected error; the server's log says more")
        return msgspec.json.encode({"ok": answer})


def listen_for_operators(data_dir: Path) -> socket.socket | None:
    """Return the socket, listening; None, after a warning, where it cannot be opened."""
    try:
        return _listen(data_dir)
    except OSError as error:
        _log.warning("%s cannot be opened: %s", data_dir / NAME, error.strerror or error)
        return None


@contextmanager
def address(data_dir: Path) -> Iterator[str]:
    """Give a name of the socket that is short enough for the system, for as long as it is needed."""
    path = data_dir / NAME
    if len(os.fsencode(path)) <= _PATH_BYTES:
        yield str(path)
        return
    descriptor = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)


def _listen(data_dir: Path) -> socket.socket:
    if not hasattr(socket, "SO_PEERCRED"):
        raise OSError("this system does not say who connects")
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with address(data_dir) as name:
        _clear(name)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(name)
            # Nobody can connect before listen(), so nobody sees it with another mode.
            os.chmod(name, 0o600)
            listening.listen(MOST_CONNECTIONS)
        except BaseException:
            listening.close()
            raise
    return listening


def _clear(name: str) -> None:
    """Remove what a server that was killed has left; raise OSError where one still answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        try:
            trial.connect(name)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            os.unlink(name)
            return
    raise OSError("another server listens there")


def _peer(writer: asyncio.StreamWriter) -> int:
    connection = writer.get_extra_info("socket")
    size = struct.calcsize("3i")
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return int(struct.unpack("3i", found)[1])


def _error(code: str, message: str) -> bytes:
    return msgspec.json.encode({"error": code, "message": message})
