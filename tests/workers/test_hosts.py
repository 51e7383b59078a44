"""What happens once, whichever host does it; and what ends with a host."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import httpx

from tests.support.server import running
from tests.workers.crew import (
    ALICE,
    active_key,
    encrypt,
    end_hard,
    is_alive,
    postgres_settings,
    until,
    workers_of,
)


def test_two_hosts_do_each_thing_once_and_one_goes_on_when_the_other_is_killed(
    tmp_path: Path, postgres: str
) -> None:
    shared = {"AEGIS_ROT_INMEMORY_MASTER_KEY_FILE": str(tmp_path / "master.key")}
    settings = postgres_settings(postgres, 2) | shared
    with running(tmp_path / "a", **settings) as a, running(tmp_path / "b", **settings) as b:
        keys = [active_key(server.url) for server in (a, b) for _ in range(3)]
        for key in keys:
            encrypt(a.url, key)
            encrypt(b.url, key)
        doomed = f"/v1/keys/{keys[0]}?pendingDays=0"
        httpx.delete(a.url + doomed, headers=ALICE).raise_for_status()
        state = f"{b.url}/v1/keys/{keys[0]}"
        until(lambda: httpx.get(state, headers=ALICE).json()["state"] == "Destroyed")
        until(lambda: "KeyDestroyed" in "".join((*a.audit_lines, *b.audit_lines)))
        lines = [json.loads(line) for line in (*a.audit_lines, *b.audit_lines)]
        assert len({line["eventId"] for line in lines}) == len(lines)
        assert [line["op"] for line in lines].count("Encrypt") == 12
        assert [line["op"] for line in lines].count("KeyDestroyed") == 1

        leads, other = (a, b) if a.audit_lines else (b, a)
        workers = workers_of(leads)
        os.kill(leads.process.pid, signal.SIGKILL)
        for pid in workers:
            end_hard(pid)
        began = time.monotonic()
        doomed = f"{other.url}/v1/keys/{keys[1]}?pendingDays=0"
        httpx.delete(doomed, headers=ALICE).raise_for_status()
        until(lambda: keys[1] in destroyed(other.audit_lines), 30)
        print(f"taken over {time.monotonic() - began:.1f} s after the kill")


def destroyed(lines: list[str]) -> set[str]:
    records = [json.loads(line) for line in lines]
    return {record["keyId"] for record in records if record["op"] == "KeyDestroyed"}


def test_a_supervisor_that_is_killed_leaves_no_workers(tmp_path: Path, postgres: str) -> None:
    with running(tmp_path / "data", **postgres_settings(postgres)) as crew:
        workers = workers_of(crew)
        assert len(workers) == 3
        os.kill(crew.process.pid, signal.SIGKILL)
        until(lambda: not [pid for pid in workers if is_alive(pid)], 15)
