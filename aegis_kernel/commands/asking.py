"""Ask the running server; with none running, open the journal and the roots of trust oneself."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import msgspec

from aegis_kernel.commands.actions import Request, carry_out
from aegis_kernel.commands.admin_socket import address
from aegis_kernel.domain.errors import AegisError, BootError
from aegis_kernel.engine.offline import OfflineKernel
from aegis_kernel.engine.settings import Settings


class _Answer(msgspec.Struct, frozen=True):
    ok: Any = None
    error: str | None = None
    message: str = ""


def ask(settings: Settings, request: Request) -> Any:
    """Return the answer. Raises BootError with what went wrong."""
    connection = _connect(settings.data_dir)
    if connection is None:
        return asyncio.run(_ask_offline(settings, request))
    with connection:
        return _ask_running(connection, request)


def _connect(data_dir: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with address(data_dir) as name:
            connection.connect(name)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except OSError as error:
        connection.close()
        raise BootError(
            f"the running server cannot be asked ({error.strerror}): ask as its own user, or as root"
        ) from error
    return connection


def _ask_running(connection: socket.socket, request: Request) -> Any:
    try:
        connection.sendall(msgspec.json.encode(request) + b"\n")
        with connection.makefile("rb") as lines:
            line = lines.readline()
        answer = msgspec.json.decode(line, type=_Answer)
    except (OSError, msgspec.DecodeError) as error:
        raise BootError(
            "the server ended before it answered; ask again: what it had begun is taken up"
        ) from error
    if answer.error is not None:
        raise BootError(f"{answer.error}: {answer.message}")
    return answer.ok


async def _ask_offline(settings: Settings, request: Request) -> Any:
    async with OfflineKernel(settings) as offline:
        try:
            answer = await carry_out(offline, request, f"uid {os.getuid()}")
        except AegisError as error:
            raise BootError(f"{error.code}: {error.message}") from error
    return msgspec.to_builtins(answer)
