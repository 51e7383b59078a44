"""Three workers behind one port are one server."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.server import Server
from tests.workers.crew import (
    AES,
    ALICE,
    PLAIN,
    active_key,
    counted,
    encrypt,
    end_hard,
    is_alive,
    until,
    values_of,
    workers_of,
)

RACED = {"spec": {"name": "raced", "algorithm": "AES", "sizeBits": 256}}


def replace(crew: Server, worker: int) -> None:
    """Kill the worker, and wait until another serves in its place."""
    serving = crew.log.count(" serves\n")
    end_hard(worker)
    until(lambda: crew.log.count(" serves\n") == serving + 1)


def created(crew: Server) -> set[str]:
    """Return the keys whose creation the sink has."""
    return {json.loads(line)["keyId"] for line in crew.audit_lines if "KeyCreated" in line}


def test_it_boots_once_and_serves(crew: Server) -> None:
    assert len(workers_of(crew)) == 3
    for line in ("Started Aegis server on", "Boot complete in", "Workers: 3", "Persistence: "):
        assert crew.log.count(line) == 1, crew.log
    key = active_key(crew.url)
    assert len({encrypt(crew.url, key) for _ in range(30)}) == 30


@pytest.mark.promtool
def test_the_page_of_metrics_is_the_sum_and_never_jumps_back(crew: Server) -> None:
    key, before = active_key(crew.url), counted(crew.url, "Encrypt")
    for _ in range(60):
        encrypt(crew.url, key)
    assert {counted(crew.url, "Encrypt") for _ in range(12)} == {before + 60}
    values = values_of(crew)
    for _ in range(2):
        replace(crew, min(workers_of(crew)))
    assert values_of(crew) == values
    encrypt(crew.url, key)
    assert {counted(crew.url, "Encrypt") for _ in range(12)} == {before + 61}
    page = httpx.get(f"{crew.url}/metrics").content
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_worker_that_is_killed_is_replaced_and_nothing_acknowledged_is_lost(crew: Server) -> None:
    made: list[str] = []
    ended = threading.Event()

    def create() -> None:
        while not ended.is_set():
            try:
                answer = httpx.post(f"{crew.url}/v1/keys", json=AES, headers=ALICE)
            except httpx.TransportError:
                continue
            if answer.status_code == 201:
                made.append(answer.json()["id"])

    with ThreadPoolExecutor(3) as pool:
        clients = [pool.submit(create) for _ in range(3)]
        try:
            for _ in range(2):
                time.sleep(0.7)
                replace(crew, max(workers_of(crew)))
            time.sleep(0.5)
        finally:
            ended.set()
        for client in clients:
            client.result(20)
    assert len(made) > 20
    for key in made:
        assert httpx.get(f"{crew.url}/v1/keys/{key}", headers=ALICE).status_code == 200
    # The lease of a sink whose holder was killed ends after 12 s.
    until(lambda: not set(made) - created(crew), 30)


def test_sighup_restarts_all_in_turn_and_drops_no_request(crew: Server) -> None:
    key = active_key(crew.url)
    before, ended = workers_of(crew), threading.Event()

    def ask(fresh: bool) -> int:
        answered = 0
        with httpx.Client(base_url=crew.url, headers=ALICE) as http:
            while not ended.is_set():
                ask = httpx.post if fresh else http.post
                path = f"/v1/keys/{key}/encrypt"
                url = f"{crew.url}{path}" if fresh else path
                assert ask(url, json=PLAIN, headers=ALICE).status_code == 200
                answered += 1
        return answered

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(ask, fresh) for fresh in (True, True, False, False)]
        crew.process.send_signal(signal.SIGHUP)
        try:
            until(lambda: "Restarted the workers" in crew.log, 40)
        finally:
            ended.set()
        answered = sum(client.result(20) for client in clients)
    assert len(workers_of(crew)) == 3
    assert not workers_of(crew) & before
    print(f"{answered} answers around a rolling restart, none dropped")
    assert answered > 100


def test_a_raced_idempotency_key_is_executed_once(crew: Server) -> None:
    def create(_: int) -> tuple[int, str | None]:
        headers = {**ALICE, "Idempotency-Key": "race-1"}
        answer = httpx.post(f"{crew.url}/v1/keys", json=RACED, headers=headers)
        return answer.status_code, answer.json().get("id")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(24)))
    assert {status for status, _ in answers} <= {201, 409}
    assert len({key for status, key in answers if status == 201}) == 1
    listed = httpx.get(f"{crew.url}/v1/keys?name=raced", headers=ALICE).json()["items"]
    assert len(listed) == 1


def test_sigterm_drains_all_of_them(crew: Server) -> None:
    workers = workers_of(crew)
    began = time.monotonic()
    assert crew.terminate() == 0
    assert time.monotonic() - began < 15
    assert not [pid for pid in workers if is_alive(pid)]
    assert crew.log.count("Draining for 1 s") == 1
