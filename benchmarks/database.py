"""What a commit costs a real Postgres: processor time, time until it is durable, bytes."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from aegis_journal_postgres import PostgresJournal
from aegis_journal_postgres.address import Address

from aegis_kernel import Append, Attributes, Entry, Record, Secret
from aegis_kernel.engine.clock import SystemClock
from aegis_kernel.engine.records import Scribe
from benchmarks.measurements import Commit
from benchmarks.processor import seconds_of_family
from tests.support.postgres import PostgresServer

BATCHES = (1, 8, 32, 128)
RECORDS_MEASURED = 20_000
CHANGES_MEASURED = 2_000
_TIMES = 300

# As long as the record of an encryption is.
_BODY = b'{"ts":"2026-01-01T00:00:00.000Z","actor":"payments-service","actorKind":"Service","op":"Encrypt",'
_BODY += b'"keyId":"8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9","outcome":"Success","keyVersion":1,"alg":"AesGcm256",'
_BODY += b'"eventId":"0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b","requestId":"b2a7c1d09e8f4a5b","sourceIp":"10.0.0.1"}'


def commits(postgres: PostgresServer, rounds: int) -> list[Commit]:
    """Return what commits of each size cost, alone on the server."""

    async def each() -> list[Commit]:
        async with _journal(postgres.url(postgres.new_database())) as journal:
            return [await _commit_cost(postgres, journal, rows, rounds) for rows in BATCHES]

    return asyncio.run(each())


async def _commit_cost(
    postgres: PostgresServer, journal: PostgresJournal, rows: int, rounds: int
) -> Commit:
    processor: list[float] = []
    waits: list[float] = []
    for _ in range(rounds):
        before = _spent(postgres)
        for _ in range(_TIMES):
            began = time.perf_counter()
            await journal.commit(_uses(rows))
            waits.append((time.perf_counter() - began) * 1e6)
        processor.append((_spent(postgres) - before) / _TIMES * 1e6)
    # Others on the machine only ever add to a wait.
    unhindered = statistics.quantiles(waits, n=10)[0]
    return Commit(rows, statistics.median(processor), unhindered)


async def sizes(postgres: PostgresServer) -> dict[str, float]:
    """Return bytes on disk a record, bytes of write-ahead log a record, bytes on disk a change."""
    database = postgres.new_database()
    size = f"SELECT pg_database_size('{database}'), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"
    async with _journal(postgres.url(database)) as journal:
        await journal.commit(_uses(128))
        ((before, log_before),) = postgres.execute(size)
        for _ in range(RECORDS_MEASURED // 100):
            await journal.commit(_uses(100))
        ((after, log_after),) = postgres.execute(size)
        for turn in range(CHANGES_MEASURED // 100):
            await journal.commit(_changes(turn, 100))
        ((changed, _),) = postgres.execute(size)
    return {
        "record": (after - before) / RECORDS_MEASURED,
        "log": float(log_after - log_before) / RECORDS_MEASURED,
        "change": (changed - after) / CHANGES_MEASURED,
    }


def round_trip(postgres: PostgresServer) -> float:
    """Return the microseconds of a statement that does nothing."""
    taken = []
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        for _ in range(500):
            began = time.perf_counter()
            connection.execute("SELECT 1")
            taken.append((time.perf_counter() - began) * 1e6)
    return statistics.median(taken)


@asynccontextmanager
async def _journal(url: str) -> AsyncIterator[PostgresJournal]:
    journal = PostgresJournal(Address.of(Secret(url.encode()), None), SystemClock())
    await journal.open()
    try:
        yield journal
    finally:
        await journal.aclose()


def _uses(rows: int) -> list[Entry]:
    return [Entry(expects={f"key/{n % 16}": 0}, records=(_record(),)) for n in range(rows)]


def _changes(turn: int, count: int) -> list[Entry]:
    has = Attributes(state="Active", name="a key", algorithm="AES", owner="payments-service")
    return [
        Entry(
            expects={stream: 0},
            appends=(
                Append(stream=stream, events=(b"e" * 250,), snapshot=b"s" * 350, attributes=has),
            ),
        )
        for stream in (f"key/new-{turn}-{n}" for n in range(count))
    ]


def _record() -> Record:
    return Record(Scribe(SystemClock()).new_event_id(), _BODY)


def _spent(postgres: PostgresServer) -> float:
    assert postgres.process is not None
    return seconds_of_family(postgres.process.pid)
