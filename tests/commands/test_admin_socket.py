"""The admin socket: for the server's own user and root, one line in, one line out."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aegis_kernel.commands import admin_socket
from aegis_kernel.commands.actions import Action, Request
from aegis_kernel.commands.admin_socket import MOST_CONNECTIONS, NAME, AdminSocket, address
from aegis_kernel.commands.asking import ask
from aegis_kernel.domain.errors import BootError
from aegis_kernel.engine.kernel import Kernel
from tests.support.kernel import settings


@pytest.fixture
async def data(tmp_path: Path) -> AsyncIterator[Path]:
    """A data directory whose server listens."""
    async with Kernel(settings(tmp_path)) as kernel, AdminSocket(kernel, tmp_path):
        yield tmp_path


async def say(data: Path, line: bytes) -> dict[str, Any]:
    with address(data) as name:
        reader, writer = await asyncio.open_unix_connection(name)
    writer.write(line)
    answer: dict[str, Any] = json.loads(await asyncio.wait_for(reader.readline(), 10))
    writer.close()
    return answer


async def test_it_answers_a_line_with_a_line(data: Path) -> None:
    (status,) = (await say(data, b'{"do":"master.status"}\n'))["ok"]
    assert status["rows"] == {}
    (done,) = (await say(data, b'{"do":"master.rotate"}\n'))["ok"]
    assert done["retired"] == [status["newest"]]


async def test_only_its_owner_can_reach_it(data: Path) -> None:
    assert stat.S_IMODE((data / NAME).stat().st_mode) == 0o600


async def test_another_user_is_refused_whatever_the_mode(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_socket, "_peer", lambda writer: os.geteuid() + 12345)
    answer = await say(data, b'{"do":"master.rotate"}\n')
    assert answer["error"] == "PermissionDenied"
    monkeypatch.undo()
    assert not (await say(data, b'{"do":"master.status"}\n'))["ok"][0]["older"]


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"hello\n",
        b"{}\n",
        b'{"do":"master.retire"}\n',
        b'{"do":"master.status","more":1}\n',
        b"\xff\xfe\n",
        b"[" * 5000 + b"\n",
        b"x" * 100_000 + b"\n",
    ],
    ids=["empty", "text", "nothing", "unknown", "more", "no UTF-8", "deep", "long"],
)
async def test_anything_else_is_refused_and_it_listens_on(data: Path, line: bytes) -> None:
    assert (await say(data, line))["error"] == "BadRequest"
    assert "ok" in await say(data, b'{"do":"master.status"}\n')


async def test_connections_are_bounded_and_silent_ones_end(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_socket, "REQUEST_SECONDS", 0.2)
    with address(data) as name:
        silent = [await asyncio.open_unix_connection(name) for _ in range(MOST_CONNECTIONS)]
        await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_unix_connection(name)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    for reader, writer in silent:
        await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert "ok" in await say(data, b'{"do":"master.status"}\n')


async def test_it_goes_with_the_server_and_what_a_killed_one_left_is_replaced(
    tmp_path: Path,
) -> None:
    left = socket.socket(socket.AF_UNIX)
    with address(tmp_path) as name:
        left.bind(name)
    left.close()
    async with Kernel(settings(tmp_path)) as kernel:
        async with AdminSocket(kernel, tmp_path):
            assert "ok" in await say(tmp_path, b'{"do":"master.status"}\n')
        assert not (tmp_path / NAME).exists()


async def test_a_second_server_leaves_the_first_ones_socket_alone(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Kernel(settings(data)) as kernel, AdminSocket(kernel, data):
        assert "another server listens there" in caplog.text
    assert "ok" in await say(data, b'{"do":"master.status"}\n')


async def test_a_path_that_is_too_long_for_a_socket_still_works(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 40)
    async with Kernel(settings(data)) as kernel, AdminSocket(kernel, data):
        assert "ok" in await say(data, b'{"do":"master.status"}\n')


async def test_asking_without_a_server_makes_no_master_key(tmp_path: Path) -> None:
    offline = settings(tmp_path, AEGIS_JOURNAL_KIND="sqlite")
    with pytest.raises(BootError, match="does not exist"):
        await asyncio.to_thread(ask, offline, Request(Action.MASTER_STATUS))
    assert not (tmp_path / "master.key").exists()
