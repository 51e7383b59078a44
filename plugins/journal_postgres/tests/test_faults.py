"""Connections that break at the worst moment, two journals on one database, holders that die."""

from __future__ import annotations

import asyncio
import json
import random

import aegis_journal_postgres.batch
import aegis_journal_postgres.writer
import psycopg
import pytest
from aegis_journal_postgres import PostgresJournal
from aegis_journal_postgres.address import Address

from aegis_kernel import Secret
from aegis_kernel.testing import Breakage, JournalFaultConformance
from aegis_kernel.testing.doubles import ManualClock
from aegis_kernel.testing.journal_entries import change, put, record, use, verdicts
from tests.support.postgres import PostgresServer

from .cable import Cable


def _journal(url: str) -> PostgresJournal:
    return PostgresJournal(Address.of(Secret(url.encode()), None), ManualClock())


@pytest.fixture
async def other(build):
    journal = build()
    await journal.open()
    yield journal
    await journal.aclose()


class ServerAway:
    """Every connection breaks, and none is to be had."""

    def __init__(self, server: PostgresServer, database: str) -> None:
        self._server = server
        self._database = database

    async def begin(self) -> None:
        self._server.execute(f"ALTER DATABASE {self._database} WITH ALLOW_CONNECTIONS false")
        self._server.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self._database}'"
        )

    async def end(self) -> None:
        self._server.execute(f"ALTER DATABASE {self._database} WITH ALLOW_CONNECTIONS true")


class TestFaultsOfThePostgresJournal(JournalFaultConformance):
    @pytest.fixture
    async def journal(self, build):
        journal = build()
        await journal.open()
        yield journal
        await journal.aclose()

    @pytest.fixture
    def breakage(self, postgres, postgres_server, journal, monkeypatch) -> Breakage:
        # Callers hear of an outage sooner than in the field.
        monkeypatch.setattr(aegis_journal_postgres.writer, "TRY_SECONDS", 0.3)
        return ServerAway(postgres_server, postgres.rsplit("/", 1)[1])


@pytest.mark.parametrize("moment", ["before", "answer", "stall"])
async def test_a_cut_at_the_commit_is_committed_once_and_answered_so(postgres, moment, monkeypatch):
    monkeypatch.setattr(aegis_journal_postgres.writer, "CALL_SECONDS", 0.5)
    async with Cable(postgres) as cable:
        journal = _journal(cable.url)
        await journal.open()
        await journal.commit([change("key/used", 0)])
        batch = [
            use(record("cut here"), key_used=1),
            change("key/a", 0, records=(record("cut here"),), material=(put("a", 1),)),
            use(record("cut here"), key_used=7),
            change("key/usage", 0, b"counted"),
        ]
        cable.cut = moment
        answer = verdicts(await journal.commit(batch))
        assert (answer, cable.cuts) == (["committed", "committed", "key/used", "committed"], 1)
        assert [found.position for found in await journal.ledger(0, 9)] == [1, 2]
        assert list(await journal.history("key/a")) == [b"event 1"]
        assert list(await journal.history("key/usage")) == [b"counted"]
        await journal.aclose()


async def test_a_commit_goes_on_when_its_caller_is_cancelled(journal):
    commit = asyncio.create_task(journal.commit([change("key/a", 0, records=(record(),))]))
    await asyncio.sleep(0)
    commit.cancel()
    assert verdicts(await journal.commit([use(record(), key_a=1)])) == ["committed"]
    assert await journal.head() == 2


async def test_what_waited_for_a_lock_sees_what_was_committed_under_it(journal, other, postgres):
    lock = aegis_journal_postgres.batch.lock_of("key/a")
    async with await psycopg.AsyncConnection.connect(postgres) as holder:
        await holder.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))
        appending = asyncio.create_task(journal.commit([change("key/a", 0)]))
        await asyncio.sleep(0.1)
        using = asyncio.create_task(other.commit([use(record(), key_a=0)]))
        await asyncio.sleep(0.1)
        assert not appending.done()
        assert not using.done()
    assert verdicts(await appending) == ["committed"]
    assert verdicts(await using) == ["key/a"]


async def _race(first, second, postgres) -> list[str]:
    """Commit a use while the change that forbids it is under way; return the words of the ledger.

    Whoever holds the head row stops both between their reading and their writing.
    """
    await first.commit([change("key/a", 0)])
    async with await psycopg.AsyncConnection.connect(postgres) as holder:
        await holder.execute("SELECT 1 FROM aegis.head FOR UPDATE")
        revoking = asyncio.create_task(
            first.commit([change("key/a", 1, records=(record("revoked"),))])
        )
        await asyncio.sleep(0.1)
        using = asyncio.create_task(second.commit([use(record("used"), key_a=1)]))
        await asyncio.sleep(0.1)
    assert verdicts(await revoking) == ["committed"]
    await using
    return [json.loads(found.body)["note"] for found in await first.ledger(0, 9)]


async def test_no_use_is_committed_after_the_change_that_forbids_it(journal, other, postgres):
    assert await _race(journal, other, postgres) == ["revoked"]


async def test_without_the_locks_it_would_be(journal, other, postgres, monkeypatch):
    def own_locks(entry):
        return {random.getrandbits(62): True}

    monkeypatch.setattr(aegis_journal_postgres.batch, "locks_of", own_locks)
    assert await _race(journal, other, postgres) == ["revoked", "used"]


async def test_batches_with_crossing_streams_never_wait_for_each_other_forever(journal, other):
    async def cross(on, names):
        for n in range(30):
            batch = [change(f"{name}/{n}", 0, records=(record(),)) for name in names]
            await on.commit(batch)

    names = ["key/a", "key/b", "key/c", "key/d"]
    await asyncio.wait_for(
        asyncio.gather(cross(journal, names), cross(other, names[::-1])), timeout=20
    )
    for n in range(30):
        assert len(await journal.history(f"key/a/{n}")) == 1


async def test_a_busy_key_lets_its_own_compromise_through(journal, other):
    await journal.commit([change("key/a", 0)])
    busy = True

    async def sign():
        while busy:
            await other.commit([use(record(), key_a=1)])

    signing = asyncio.create_task(sign())
    await asyncio.sleep(0.2)
    loop = asyncio.get_running_loop()
    start = loop.time()
    assert verdicts(await journal.commit([change("key/a", 1)])) == ["committed"]
    assert loop.time() - start < 1.0
    busy = False
    await signing


async def test_a_lease_has_one_holder_and_changes_hands_when_given_back(build, other):
    first = build()
    await first.open()
    held = await first.lease("delivery")
    assert held is not None
    assert await other.lease("delivery") is None
    await first.aclose()
    after = await other.lease("delivery")
    assert after is not None
    assert after.epoch == held.epoch + 1
    assert not await other.advance("sink", 5, held)


async def test_the_lease_of_a_dead_holder_ends_by_the_databases_clock(build, other, postgres):
    dead = build()
    await dead.open()
    held = await dead.lease("delivery")
    async with await psycopg.AsyncConnection.connect(postgres, autocommit=True) as admin:
        assert await other.lease("delivery") is None
        (left,) = await (
            await admin.execute("SELECT extract(epoch FROM expires_at - now()) FROM aegis.leases")
        ).fetchone()
        assert 5 < left <= 12
        await admin.execute("UPDATE aegis.leases SET expires_at = now() - interval '1 ms'")
    after = await other.lease("delivery")
    assert (held is not None, after is not None and after.epoch > held.epoch) == (True, True)
    await dead.aclose()
    assert await other.lease("delivery") == after


async def test_it_heals_when_every_connection_was_cut(journal, postgres):
    await journal.commit([change("key/a", 0)])
    await journal.load("key/a")
    async with await psycopg.AsyncConnection.connect(postgres, autocommit=True) as admin:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert await journal.load("key/a") is not None
    assert verdicts(await journal.commit([use(record(), key_a=1)])) == ["committed"]
    assert await journal.head() == 1
