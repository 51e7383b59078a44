"""Rate limits as a client sees them: 429, how long to wait, and nobody else is in the way."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.outside.secured import client, secured
from tests.support.server import Server, running

DRAW = {"bytes": 16}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    limits = {"AEGIS_RATE_LIMIT_REQUESTS": "10", "AEGIS_RATE_LIMIT_BURST_SECONDS": "2"}
    with secured(tmp_path / "data", **limits) as server:
        yield server


def draw(http: httpx.Client) -> httpx.Response:
    return http.post("/v1/random", json=DRAW)


def exhaust(http: httpx.Client) -> httpx.Response:
    """Ask until it is too many, and return that answer."""
    for _ in range(200):
        answer = draw(http)
        if answer.status_code != 200:
            return answer
    raise AssertionError("no limit")


def test_too_many_say_how_long_to_wait_and_then_it_works(server: Server) -> None:
    with client(server) as http:
        refused = exhaust(http)
        assert refused.status_code == 429
        assert refused.json()["error"] == "TooManyRequests"
        assert "AEGIS_RATE_LIMIT_REQUESTS" in refused.json()["message"]
        time.sleep(int(refused.headers["Retry-After"]))
        assert draw(http).status_code == 200


def test_every_refusal_is_counted_by_metrics_and_in_the_records(server: Server) -> None:
    with client(server) as http:
        exhaust(http)
        asked = [draw(http).status_code for _ in range(50)]
        page = http.get("/metrics").text
    refused = 1 + asked.count(429)
    sample = 'aegis_keys_op_errors_total{code="TooManyRequests",operation="Random"}'
    assert f"{sample} {refused}.0" in page
    assert server.terminate() == 0
    rows = [json.loads(line) for line in server.audit_lines]
    rows = [row for row in rows if row["outcome"] == "TooManyRequests"]
    assert [(row["actor"], row["op"], row["count"]) for row in rows] == [
        ("alice", "Random", refused)
    ]


@pytest.mark.parametrize("limit", [100, 0])
def test_others_get_their_keys_while_somebody_asks_for_too_many(tmp_path: Path, limit: int) -> None:
    limits = {"AEGIS_RATE_LIMIT_MAKING": str(limit), "AEGIS_RATE_LIMIT_BURST_SECONDS": "1"}
    with secured(tmp_path / "data", **limits) as server, client(server, "bob") as http:
        stop = threading.Event()
        flood = [threading.Thread(target=_flood, args=(server, stop)) for _ in range(12)]
        for thread in flood:
            thread.start()
        time.sleep(1)
        taken = sorted(_making(http) for _ in range(5 if limit else 1))
        stop.set()
        server.kill()
        for thread in flood:
            thread.join()
    # Without a limit each waits behind ten RSA-4096 keys of the flood.
    assert (taken[len(taken) // 2] < 0.8) == (limit > 0), taken


def test_dev_mode_has_no_limit(tmp_path: Path) -> None:
    limits = {"AEGIS_RATE_LIMIT_REQUESTS": "1", "AEGIS_RATE_LIMIT_BURST_SECONDS": "1"}
    user = {"X-Aegis-User": "alice"}
    with (
        running(tmp_path / "data", **limits) as server,
        httpx.Client(base_url=server.url, headers=user) as http,
    ):
        assert {draw(http).status_code for _ in range(50)} == {200}


def _making(http: httpx.Client) -> float:
    began = time.monotonic()
    assert http.post("/v1/keys", json=rsa(2048)).status_code == 201
    return time.monotonic() - began


def _flood(server: Server, stop: threading.Event) -> None:
    with client(server, "alice") as http, suppress(httpx.HTTPError):
        while not stop.is_set():
            if http.post("/v1/keys", json=rsa(4096)).status_code == 429:
                time.sleep(0.02)


def rsa(size_bits: int) -> dict[str, object]:
    return {"spec": {"name": "k", "algorithm": "RSA", "sizeBits": size_bits}}
