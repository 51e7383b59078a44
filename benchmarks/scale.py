"""What grows with the number of keys: `python -m benchmarks.scale --keys 10 10000 1000000`.

Each store is booted as a real server, and then measured inside one process of its own. Times of
operations are processor time of that process, its journal's threads included; others on the machine
shift them less than they shift the clock on the wall. With `--journal postgres` they are that clock
all the same, since most of the work is another process's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any

import psycopg

from aegis_kernel import Query, Secret
from aegis_kernel.domain.principal import Principal, PrincipalKind
from aegis_kernel.domain.spec import Algorithm
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations.declaration import Caller
from benchmarks.store import (
    RARE_NAME,
    READER,
    is_active_aes,
    key_id_of,
    make_store,
    settings,
    variables,
)
from tests.support.postgres import PostgresServer

ADMIN = Caller(Principal(subject="root", kind=PrincipalKind.HUMAN, groups=frozenset({"admins"})))
FEW = Caller(Principal(subject=READER, kind=PrincipalKind.SERVICE))
TOGETHER = 32
ROUNDS = 5

LISTS = {
    "first page, admin": (ADMIN, m.ListKeys()),
    "state, admin": (ADMIN, m.ListKeys(state="Compromised")),
    "state and algorithm that seldom meet, admin": (
        ADMIN,
        m.ListKeys(state="Compromised", algorithm=Algorithm.AES),
    ),
    "rare name, admin": (ADMIN, m.ListKeys(name=RARE_NAME)),
    "tag, admin": (ADMIN, m.ListKeys(tag="team=team-7")),
    "tag of half of them, reader of few": (FEW, m.ListKeys(tag="env=prod")),
    "first page, reader of few": (FEW, m.ListKeys()),
    "500 a page, admin": (ADMIN, m.ListKeys(limit=500)),
}

Report = dict[str, float]
Clock = Callable[[], float]


async def measure(folder: Path, keys: int, load: int, url: str | None) -> Report:
    """Return every figure of the store in `folder`; `load` random keys are used for the cold part."""
    clock = time.perf_counter if url else time.process_time
    async with Kernel(settings(folder, url)) as kernel:
        report: Report = {"memory after boot, MiB": _mib()}
        usable = [n for n in range(keys) if is_active_aes(n)]
        step = max(len(usable) // load, 1)
        cold = usable[::step][:load]
        report |= await _operations(kernel, cold, load, clock)
        report["memory after load, MiB"] = _mib()
        report |= await _lists(kernel, keys, clock)
        report["sweep of what is due, ms"] = await _milliseconds(kernel.sweep.once, clock)
        report["rotations due, ms"] = await _milliseconds(kernel.rotation.once, clock)
        report["key set, ms"] = await _milliseconds(kernel.key_set._build, clock)
        report["journal head, ms"] = await _milliseconds(kernel.providers.journal.head, clock)
        began = clock()
        await kernel.master_rotation.status()
        report["master status, s"] = clock() - began
        await kernel.usage.flush()
    report["store, bytes a key"] = _size(folder, url) / keys
    return report


async def _operations(kernel: Kernel, cold: list[int], load: int, clock: Clock) -> Report:
    first = await _encrypt(kernel, cold, clock)
    hot = cold[:64]
    rounds = [await _encrypt(kernel, (hot * load)[:load], clock) for _ in range(ROUNDS)]
    return {
        "encrypt, a key not used before, µs": first,
        "encrypt, keys in use, µs": statistics.median(rounds),
    }


async def _encrypt(kernel: Kernel, numbers: list[int], clock: Clock) -> float:
    request = m.Encrypt(plaintext=Secret(b"q2 financial summary: $42M revenue"))
    began = clock()
    for start in range(0, len(numbers), TOGETHER):
        part = numbers[start : start + TOGETHER]
        await asyncio.gather(
            *(kernel.pipeline.run(op.ENCRYPT, ADMIN, request, key_id_of(n)) for n in part)
        )
    return (clock() - began) / len(numbers) * 1e6


async def _lists(kernel: Kernel, keys: int, clock: Clock) -> Report:
    asked = dict(LISTS)
    for place, share in (("middle", 0.5), ("last", 1.0)):
        query = Query(prefix="key/", after=max(int(keys * share) - 51, 0), limit=1)
        at = (await kernel.providers.journal.find(query)).items
        cursor = str(at[0].position) if at else None
        asked[f"{place} page, admin"] = (ADMIN, m.ListKeys(cursor=cursor))
        asked[f"{place} page, reader of few"] = (FEW, m.ListKeys(cursor=cursor))

    def ask(caller: Caller, request: m.ListKeys) -> Callable[[], Awaitable[Any]]:
        return lambda: kernel.pipeline.run(op.LIST, caller, request)

    return {f"list: {name}, ms": await _milliseconds(ask(*asked[name]), clock) for name in asked}


async def _milliseconds(work: Callable[[], Awaitable[Any]], clock: Clock) -> float:
    taken = []
    for _ in range(ROUNDS):
        began = clock()
        await work()
        taken.append((clock() - began) * 1e3)
    return statistics.median(taken)


def boot(folder: Path, url: str | None) -> Report:
    """Boot a real server on the store, stop it, and return what that took."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")}
    quick = {"AEGIS_HTTP_PORT": "0", "AEGIS_DRAIN_SECONDS": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "aegis_kernel.server"],
        env=kept | variables(folder, url) | quick,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = next((line for line in process.stderr if "Boot complete" in line), None)
        if said is None:
            raise SystemExit("the server did not boot")
        return {
            "boot, processor s": _processor_seconds(process.pid),
            "server after boot, MiB": _mib(process.pid),
        }
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _mib(pid: int | str = "self") -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def _size(folder: Path, url: str | None) -> int:
    if url is None:
        return sum(file.stat().st_size for file in folder.iterdir())
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row
    return int(row[0])


def report_on(folder: Path, keys: int, load: int, url: str | None = None) -> Report:
    """Make the store in `folder` unless it is there, and measure it in a fresh process.

    With a `url` that database holds the journal, and the folder little more than the master key.
    """
    made = 0.0
    if not folder.exists():
        made = asyncio.run(make_store(settings(folder, url), keys))
    medians = [boot(folder, url) for _ in range(3)]
    booted = {name: statistics.median(each[name] for each in medians) for name in medians[0]}
    command = [sys.executable, "-m", "benchmarks.scale", "--measure", str(folder)]
    command += ["--keys", str(keys), "--load", str(load), *(["--url", url] if url else [])]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {"making the store, s": made} | booted | json.loads(text)


def table(reports: dict[int, Report]) -> str:
    """Return the reports side by side, as Markdown."""
    names = list(next(iter(reports.values())))
    heads = [f"{keys:,} keys" for keys in reports]
    rows = [
        f"| {name} | {' | '.join(f'{report[name]:,.2f}' for report in reports.values())} |"
        for name in names
    ]
    return "\n".join([f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|", *rows])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--keys", type=int, nargs="+", default=[10, 10_000, 1_000_000])
    options.add_argument("--load", type=int, default=20_000, help="encryptions in each round")
    options.add_argument("--folder", type=Path, help="keeps the stores, and uses those it has")
    options.add_argument("--json", type=Path, help="writes the figures there too")
    options.add_argument("--journal", choices=("sqlite", "postgres"), default="sqlite")
    options.add_argument("--url", help="an empty Postgres database, for one number of keys")
    options.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.measure is not None:
        measured = measure(chosen.measure, chosen.keys[0], chosen.load, chosen.url)
        print(json.dumps(asyncio.run(measured)))
        return
    with tempfile.TemporaryDirectory() as temporary, _databases(chosen) as databases:
        home = chosen.folder or Path(temporary)
        reports = {
            n: report_on(home / str(n), n, chosen.load, url)
            for n, url in zip(chosen.keys, databases, strict=False)
        }
    print(table(reports))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(reports, indent=2) + "\n")


@contextmanager
def _databases(chosen: argparse.Namespace) -> Iterator[Iterator[str | None]]:
    """Give a database for each store: None for SQLite, else the one named or those of a new server."""
    if chosen.url is not None or chosen.journal == "sqlite":
        if chosen.url is not None and len(chosen.keys) != 1:
            raise SystemExit("--url names the database of one store: give one number of --keys")
        yield repeat(chosen.url)
        return
    server = PostgresServer.fresh({"shared_buffers": "256MB", "max_wal_size": "4GB"})
    try:
        yield (server.url(server.new_database()) for _ in chosen.keys)
    finally:
        server.remove()


if __name__ == "__main__":
    main()
