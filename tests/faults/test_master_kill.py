"""R3, kill -9 in the middle of a rotation of the master key: nothing is lost, and the next one goes on."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from aegis_kernel.commands.admin_socket import address
from aegis_kernel.engine.kernel import Kernel
from tests.engine.test_master_rotation import REAL, kernel_at, make_keys, require_open
from tests.faults.report import Faults
from tests.support.server import running

FAULT = "kill -9 while the master key rotates"
KEYS = 600


def send(data: Path, line: bytes) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    with address(data) as name:
        connection.connect(name)
    connection.sendall(line)
    return connection


async def test_kills_lose_nothing(tmp_path: Path, faults: Faults) -> None:
    data, dice, rounds = tmp_path / "data", faults.dice, faults.of(8, 50)
    async with kernel_at(data) as kernel:
        keys = await make_keys(kernel, KEYS)
        began = time.monotonic()
        await kernel.master_rotation.rotate("a test")
        whole = time.monotonic() - began
    cut_off = 0
    with running(data, **REAL) as server:
        for number in range(rounds):
            if number:
                server.start()
            connection = send(data, b'{"do":"master.rotate"}\n')
            time.sleep(dice.uniform(0, whole))
            server.kill()
            connection.close()
            async with kernel_at(data) as kernel:
                cut_off += await is_under_way(kernel)
                await require_open(kernel, dict(dice.sample(sorted(keys.items()), 50)))
    async with kernel_at(data) as kernel:
        await kernel.master_rotation.rotate("a test")
        (status,) = await kernel.master_rotation.status()
        assert status.rows == {status.newest: KEYS}
        assert not status.under_way
        await require_open(kernel, keys)
    assert len((data / "master.key").read_bytes().splitlines()) == 1
    assert cut_off > 0, "no kill came in the middle"
    faults.passed("R3", FAULT, rounds, rows=KEYS, crashes=rounds, cut_off=cut_off, lost=0)


async def is_under_way(kernel: Kernel) -> bool:
    (status,) = await kernel.master_rotation.status()
    assert "unknown" not in status.rows
    return status.under_way
