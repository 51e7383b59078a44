"""Replicas: a primary from before a failover, and a wait for a replica that somebody cancels."""

from __future__ import annotations

import asyncio

import pytest
from aegis_journal_postgres import PostgresJournal
from aegis_journal_postgres.address import Address

from aegis_kernel import Secret, UnavailableError
from aegis_kernel.testing.doubles import ManualClock
from aegis_kernel.testing.journal_entries import change, record, use, verdicts
from tests.support.postgres import PostgresServer


@pytest.fixture
def primary():
    server = PostgresServer.fresh()
    yield server
    server.remove()


def _journal(*servers: PostgresServer) -> PostgresJournal:
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    return PostgresJournal(
        Address.of(Secret(f"postgresql://aegis@{hosts}/postgres".encode()), None), ManualClock()
    )


async def test_the_old_primary_is_refused_by_whoever_has_met_the_new_one(primary):
    replica = primary.replica("standby")
    journal = _journal(primary, replica)
    try:
        await journal.open()
        await journal.commit([change("key/a", 0)])
        await _reaches(replica, "SELECT sequence FROM aegis.streams", 1)
        primary.kill()
        replica.promote()
        await _until_it_answers(journal)
        assert verdicts(await journal.commit([change("key/a", 1, records=(record(),))])) == [
            "committed"
        ]
        # The old one is back and, listed first, takes writes; then the new one goes.
        primary.start()
        replica.kill()
        with pytest.raises(UnavailableError):
            await journal.load("key/a")
        with pytest.raises(UnavailableError):
            await journal.commit([use(record(), key_a=2)])
        assert primary.execute("SELECT position FROM aegis.head") == [(0,)]
    finally:
        await journal.aclose()
        replica.remove()


async def test_a_commit_whose_wait_for_a_replica_is_cancelled_is_not_answered(primary):
    journal = _journal(primary)
    await journal.open()
    primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    primary.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(0.2)
    commit = asyncio.create_task(journal.commit([change("key/a", 0, records=(record(),))]))
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    for _ in range(3):
        pid = await _reaches(primary, waiting)
        primary.execute(f"SELECT pg_cancel_backend({pid})")
        await asyncio.sleep(0.1)
        assert not commit.done()
    await _reaches(primary, waiting)
    primary.execute("ALTER SYSTEM RESET synchronous_standby_names")
    primary.execute("SELECT pg_reload_conf()")
    assert verdicts(await commit) == ["committed"]
    assert (await journal.head(), len(await journal.history("key/a"))) == (1, 1)
    await journal.aclose()


async def _reaches(server: PostgresServer, statement: str, wanted: object = None) -> object:
    """Return the first value once it is `wanted`, or once there is one."""
    for _ in range(200):
        rows = server.execute(statement)
        if rows and wanted in (None, rows[0][0]):
            return rows[0][0]
        await asyncio.sleep(0.05)
    raise AssertionError(statement)


async def _until_it_answers(journal: PostgresJournal) -> None:
    for _ in range(100):
        try:
            await journal.load("key/a")
        except UnavailableError:
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("it does not come back")
