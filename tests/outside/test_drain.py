"""SIGTERM under load: nobody who was let in goes without an answer, and every answer is on record."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.outside.secured import active_key, bearer, client, secured
from tests.outside.sockets import Answer, Line, request
from tests.support.server import Server

RSA_4096 = {"spec": {"name": "slow", "algorithm": "RSA", "sizeBits": 4096}}
SLOW = 12  # keys for two threads to make, while the drain ends
DRAIN_SECONDS = 2.0
WORKERS = 6


class Crowd:
    """Clients that work until they are sent elsewhere, as a load balancer would send them."""

    def __init__(self, server: Server) -> None:
        self._headers = bearer()
        self._gone = threading.Event()
        self._slow = [Line(server.url, 30) for _ in range(SLOW)]
        with client(server) as http:
            path = f"/v1/keys/{active_key(http)}/encrypt"
        encrypt = request("POST", path, self._headers, b'{"plaintextBase64":"aGVsbG8="}')
        pool = ThreadPoolExecutor(WORKERS)
        self._work = [pool.submit(self._ask, Line(server.url), encrypt) for _ in range(WORKERS)]

    def ask_for_slow_keys(self) -> None:
        """Have keys made that take longer than the drain does; nobody waits for them here."""
        create = request("POST", "/v1/keys", self._headers, json.dumps(RSA_4096).encode())
        for line in self._slow:
            line.send(create)

    def leave(self) -> list[Answer | None]:
        """Send no more; return the answers to all that was sent, None where there was none."""
        self._gone.set()
        return [answer for work in self._work for answer in work.result(30)]

    def slow_keys(self) -> list[Answer | None]:
        """Return the answers to `ask_for_slow_keys`."""
        answers = [line.hear() for line in self._slow]
        for line in self._slow:
            line.close()
        return answers

    def _ask(self, line: Line, asked: bytes) -> list[Answer | None]:
        answers = []
        while not self._gone.is_set():
            line.send(asked)
            answers.append(line.hear())
        line.close()
        return answers


def drained(server: Server, log_before: str) -> str:
    """Wait for the end of the process; return what it has said meanwhile."""
    assert server.wait() == 0
    return server.log.removeprefix(log_before)


def identified(answers: list[Answer | None], status: int) -> set[str]:
    """Return the request ids of the answers, all of which have this status."""
    assert {answer.status if answer else None for answer in answers} == {status}
    return {answer.headers["x-request-id"] for answer in answers if answer}


def on_record(server: Server) -> set[str]:
    return {json.loads(line).get("requestId") for line in server.audit_lines}


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Server]:
    with secured(tmp_path / "data", AEGIS_DRAIN_SECONDS="60") as server:
        yield server


def test_a_server_that_is_told_to_stop_finishes_what_it_has_begun(tmp_path: Path) -> None:
    with secured(tmp_path / "data", AEGIS_DRAIN_SECONDS=str(DRAIN_SECONDS)) as server:
        log = server.log
        crowd = Crowd(server)
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        time.sleep(0.2)
        not_ready = httpx.get(f"{server.url}/readyz")
        assert (not_ready.status_code, not_ready.json()["error"]) == (503, "Unavailable")
        assert "retry-after" in not_ready.headers
        alive = httpx.get(f"{server.url}/livez")
        assert (alive.status_code, alive.headers["connection"]) == (200, "close")
        time.sleep(1.2)
        crowd.ask_for_slow_keys()
        answers = crowd.leave()
        assert time.monotonic() - told < DRAIN_SECONDS
        slow = crowd.slow_keys()
        assert time.monotonic() - told > DRAIN_SECONDS
        assert drained(server, log) == "INFO Draining for 2 s\n"
        acknowledged = identified(answers, 200) | identified(slow, 201)
        assert acknowledged <= on_record(server)
        assert len(acknowledged) > 200
        print(f"{len(acknowledged)} answers around SIGTERM, all on record, none missing")


@pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_drain_and_nothing_else(patient: Server, again: int) -> None:
    log = patient.log
    crowd = Crowd(patient)
    patient.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    crowd.ask_for_slow_keys()
    answers = crowd.leave()
    time.sleep(0.2)
    patient.process.send_signal(again)
    slow = crowd.slow_keys()
    assert drained(patient, log) == "INFO Draining for 60 s\nINFO Stopping now\n"
    assert identified(answers, 200) | identified(slow, 201) <= on_record(patient)


def test_connections_that_ask_nothing_do_not_hold_the_stop(patient: Server) -> None:
    port = int(patient.url.rpartition(":")[2])
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for half in idle[10:]:
        half.sendall(b"GET /livez HTTP/1.1\r\nHost: ")
    began = time.monotonic()
    patient.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    patient.process.send_signal(signal.SIGTERM)
    assert patient.wait() == 0
    assert time.monotonic() - began < 3
    for line in idle:
        assert line.recv(1) == b""
        line.close()
