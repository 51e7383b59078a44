"""A master key rotated by one worker, under the others' work."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.support.server import Server
from tests.workers.crew import AES, ALICE, PLAIN, active_key


def master(server: Server, verb: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "aegis_kernel.server", "master", verb],
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)[0]


def test_the_other_workers_go_on_with_the_new_master_key(crew: Server) -> None:
    keys = [active_key(crew.url) for _ in range(12)]
    ended, wrong = threading.Event(), []

    def work(own: str) -> int:
        turns = 0
        while not ended.is_set():
            turns += 1
            made = httpx.post(f"{crew.url}/v1/keys", json=AES, headers=ALICE)
            used = httpx.post(f"{crew.url}/v1/keys/{own}/encrypt", json=PLAIN, headers=ALICE)
            # While the new key is in the file and not yet in the journal, a creation may have to wait.
            if made.status_code not in (201, 503) or used.status_code != 200:
                wrong.append((made.text, used.text))
        return turns

    with ThreadPoolExecutor(3) as pool:
        clients = [pool.submit(work, key) for key in keys[:3]]
        try:
            first, second = master(crew, "rotate"), master(crew, "rotate")
        finally:
            ended.set()
        assert sum(client.result(20) for client in clients) > 10
    assert not wrong
    assert first["newest"] in second["retired"]
    # Opened for the first time by whichever worker, under a master key that only one has made.
    for key in keys[3:]:
        for _ in range(4):
            url = f"{crew.url}/v1/keys/{key}/encrypt"
            assert httpx.post(url, json=PLAIN, headers=ALICE).status_code == 200
    status = master(crew, "status")
    assert list(status["rows"]) == [second["newest"]]
