"""Real servers on one Postgres, with clients that do not let up; all on this machine."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import httpx
from aegis_auth_hmac import JwtIssuer

from benchmarks.load import UNLIMITED, post
from benchmarks.measurements import Run
from benchmarks.processor import busy_seconds, seconds_of, seconds_of_family
from tests.support.postgres import PostgresServer

CONNECTIONS = 32
SECRET = "a secret for measurements, and for nothing else at all"

# Every commit of records moves the one row of the head once.
_COUNTS = """
SELECT (SELECT position FROM aegis.head),
    (SELECT n_tup_upd FROM pg_stat_user_tables WHERE schemaname = 'aegis' AND relname = 'head')"""


def run(postgres: PostgresServer, folder: Path, workers: int, rounds: int, seconds: float) -> Run:
    """Return what so many servers on one journal answer together, and what that costs."""
    database = postgres.new_database()
    with _servers(postgres.url(database), folder / str(workers), workers) as (urls, pids):
        watch = _Watch(postgres, database, pids)
        request = _request(urls[0])
        _round(watch, urls, request, 1.0)
        taken = [_round(watch, urls, request, seconds) for _ in range(rounds)]
    middle = {name: statistics.median(each[name] for each in taken) for name in taken[0]}
    return Run(workers=workers, connections=CONNECTIONS, **middle)


class _Watch(NamedTuple):
    postgres: PostgresServer
    database: str
    pids: list[int]

    def spent(self) -> list[float]:
        """Return the processor seconds of the machine, of Postgres and of the servers."""
        assert self.postgres.process is not None
        of_postgres = seconds_of_family(self.postgres.process.pid)
        return [busy_seconds(), of_postgres, sum(seconds_of(pid) for pid in self.pids)]

    def counts(self) -> tuple[int, int]:
        """Return how many records, and how many commits of them."""
        ((records, commits),) = self.postgres.execute(_COUNTS, self.database)
        return int(records), int(commits)


def _round(watch: _Watch, urls: list[str], request: bytes, seconds: float) -> dict[str, float]:
    before, counts = watch.spent(), watch.counts()
    asked = {
        "urls": urls,
        "request": request.decode(),
        "connections": CONNECTIONS,
        "seconds": seconds,
    }
    command = [sys.executable, "-m", "benchmarks.load"]
    told = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    load = json.loads(told.stdout)
    # Postgres tells its counts a moment later.
    time.sleep(1.2)
    spent = zip(watch.spent(), before, strict=True)
    busy, of_postgres, of_servers = (after - then for after, then in spent)
    counted = zip(watch.counts(), counts, strict=True)
    records, committed = (after - then for after, then in counted)
    own = of_postgres + of_servers + load["processor"]
    return {
        "rate": load["rate"],
        "batch": records / max(committed, 1),
        "server_us": of_servers / records * 1e6,
        "postgres_us": of_postgres / records * 1e6,
        "client_us": load["processor"] / records * 1e6,
        "foreign_cores": max(busy - own, 0) / (seconds + 1.2),
    }


@contextmanager
def _servers(url: str, folder: Path, count: int) -> Iterator[tuple[list[str], list[int]]]:
    environment = {n: v for n, v in os.environ.items() if not n.startswith("AEGIS_")} | {
        "AEGIS_DATA_DIR": str(folder), "AEGIS_JOURNAL_KIND": "postgres",
        "AEGIS_JOURNAL_POSTGRES_URL": url, "AEGIS_AUDIT_SINKS": "none", "AEGIS_AUTH_KIND": "hmac",
        "AEGIS_AUTH_HMAC_SECRET": SECRET, "AEGIS_HTTP_PORT": "0", "AEGIS_DRAIN_SECONDS": "0",
        **UNLIMITED,
    }  # fmt: skip
    processes: list[subprocess.Popen[str]] = []
    try:
        urls = []
        for _ in range(count):
            command = [sys.executable, "-m", "aegis_kernel.server"]
            process = subprocess.Popen(
                command,
                env=environment,
                stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
            )
            processes.append(process)
            assert process.stderr is not None
            line = next(line for line in process.stderr if "Started Aegis server on" in line)
            urls.append("http://127.0.0.1:" + line.rpartition(":")[2].strip())
            next(line for line in process.stderr if "Boot complete" in line)
        yield urls, [process.pid for process in processes]
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.communicate(timeout=60)


def _request(url: str) -> bytes:
    token = JwtIssuer.hmac(SECRET).issue("load", {"admins"}, timedelta(hours=2))
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client:
        spec = {"name": "load", "algorithm": "AES", "sizeBits": 256}
        key_id = client.post("/v1/keys", json={"spec": spec}).json()["id"]
        client.post(f"/v1/keys/{key_id}/activate").raise_for_status()
    context = {"dataset": "q2-financials", "tenant": "acme"}
    body = {"plaintextBase64": "cTIgZmluYW5jaWFsIHN1bW1hcnk=", "context": context}
    return post(f"/v1/keys/{key_id}/encrypt", token, body)
