"""SIGTERM: not ready, the last answers, everything flushed, exit code 0."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path

import httpx

from tests.support.server import Server, running

HEADERS = {"X-Aegis-User": "alice"}
RSA = {"spec": {"name": "slow", "algorithm": "RSA", "sizeBits": 4096}}
AES = {"spec": {"name": "quick", "algorithm": "AES", "sizeBits": 256}}


async def _stop_amid_requests(server: Server) -> tuple[list[httpx.Response], int, int]:
    async with httpx.AsyncClient(base_url=server.url, headers=HEADERS, timeout=30) as client:
        assert (await client.get("/readyz")).status_code == 200
        slow = [asyncio.create_task(client.post("/v1/keys", json=RSA)) for _ in range(3)]
        await asyncio.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        ready = await client.get("/readyz")
        late = await client.post("/v1/keys", json=AES)
        answers = [*await asyncio.gather(*slow), late]
    return answers, ready.status_code, server.process.wait(20)


def test_what_is_in_flight_is_answered_and_recorded(tmp_path: Path) -> None:
    with running(tmp_path / "data", AEGIS_DRAIN_SECONDS="2") as server:
        answers, ready, code = asyncio.run(_stop_amid_requests(server))
        assert ready == 503
        assert [answer.status_code for answer in answers] == [201] * 4
        assert code == 0
        recorded = {json.loads(line)["requestId"] for line in server.audit_lines}
        assert {answer.headers["X-Request-Id"] for answer in answers} <= recorded
        server._finish()
        assert "Traceback" not in server.log
        assert server.log.count("WARNING") == 2, server.log


def test_an_idle_server_stops_when_its_drain_is_over(tmp_path: Path) -> None:
    with running(tmp_path / "data", AEGIS_DRAIN_SECONDS="0") as server:
        began = time.monotonic()
        assert server.terminate() == 0
        assert time.monotonic() - began < 5


def test_told_twice_it_does_not_wait(tmp_path: Path) -> None:
    with running(tmp_path / "data", AEGIS_DRAIN_SECONDS="60") as server:
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert server.terminate(10) == 0
