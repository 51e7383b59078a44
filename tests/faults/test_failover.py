"""A primary is killed and its synchronous replica promoted, under load: one URL names both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.faults.acknowledged import Log
from tests.faults.checker import BrokenPromiseError, journal_of, require_kept
from tests.faults.clients import load
from tests.faults.hosts import hosts, postgres_store, seconds_until_back, urls_of
from tests.faults.report import Faults
from tests.faults.test_linearizable import end_all
from tests.support.postgres import PostgresServer

BACK_SECONDS = 5.0
FAULT = "failover to a promoted replica"
NAME = "standby"


@asynccontextmanager
async def pair(*, synchronous: bool) -> AsyncIterator[tuple[PostgresServer, PostgresServer]]:
    """A primary and its streaming replica; a synchronous one has what is acknowledged."""
    primary = await asyncio.to_thread(PostgresServer.fresh)
    try:
        replica = await asyncio.to_thread(primary.replica, NAME)
        try:
            if synchronous:
                await asyncio.to_thread(_wait_for, primary, replica)
            yield primary, replica
        finally:
            replica.remove()
    finally:
        primary.remove()


def _wait_for(primary: PostgresServer, replica: PostgresServer) -> None:
    primary.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{NAME}'")
    primary.execute("SELECT pg_reload_conf()")
    until = time.monotonic() + 20
    while primary.execute("SELECT sync_state FROM pg_stat_replication") != [("sync",)]:
        assert time.monotonic() < until, replica.log
        time.sleep(0.05)


async def fail_over(place: Path, faults: Faults, *, synchronous: bool) -> tuple[Log, float]:
    """Return what clients saw, and how long after the promotion every host served again."""
    log = Log()
    async with pair(synchronous=synchronous) as (primary, replica):
        name = await asyncio.to_thread(primary.new_database)
        url = (
            f"postgresql://aegis@127.0.0.1:{primary.port},127.0.0.1:{replica.port}/{name}"
            "?target_session_attrs=read-write"
        )
        with hosts([postgres_store(url)] * 2, place) as servers:
            async with load(urls_of(servers), faults.dice, log=log, timeout=30):
                await asyncio.sleep(faults.dice.uniform(0.5, 1.5))
                if not synchronous:
                    await asyncio.to_thread(_fall_behind, replica)
                    await asyncio.sleep(1)
                await asyncio.to_thread(primary.kill)
                await asyncio.sleep(faults.dice.uniform(0, 1))
                await asyncio.to_thread(replica.promote)
                back = await seconds_until_back(servers)
                await asyncio.sleep(1)
            async with journal_of(servers[0].environment) as journal:
                await require_kept(journal, log.acknowledged)
            end_all(servers)
    assert log.wrong == []
    return log, back


def _fall_behind(replica: PostgresServer) -> None:
    replica.execute("ALTER SYSTEM SET primary_conninfo = ''")
    replica.execute("SELECT pg_reload_conf()")


async def test_nothing_acknowledged_is_lost(tmp_path: Path, faults: Faults) -> None:
    rounds, acknowledged, refused, longest = faults.of(1, 10), 0, 0, 0.0
    for number in range(rounds):
        log, back = await fail_over(tmp_path / f"hosts{number}", faults, synchronous=True)
        acknowledged += len(log.acknowledged)
        refused += log.refused
        longest = max(longest, back)
    assert acknowledged > rounds * 8
    assert longest < BACK_SECONDS or not faults.is_full
    faults.passed(
        "Failover", FAULT, rounds, acknowledged=acknowledged, refused_with_retry_after=refused,
        lost=0, unaudited=0, milliseconds_until_back=round(longest * 1000),
    )  # fmt: skip


async def test_it_turns_red_with_a_replica_that_nobody_waits_for(
    tmp_path: Path, faults: Faults
) -> None:
    with pytest.raises(BrokenPromiseError, match="lost") as noticed:
        await fail_over(tmp_path / "hosts", faults, synchronous=False)
    faults.red("Failover", FAULT, "an asynchronous replica", str(noticed.value))
