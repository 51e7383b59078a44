"""R7: Postgres is stopped at once, loses every connection, freezes: nothing of ours is started again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.acknowledged import Log
from tests.faults.checker import journal_of, require_kept
from tests.faults.clients import load
from tests.faults.hosts import hosts, postgres_store, seconds_until_back, urls_of
from tests.faults.report import Faults
from tests.faults.test_linearizable import end_all
from tests.support.postgres import PostgresServer

BACK_SECONDS = 5.0
HOSTS = 2
#: One for commits, one for leases, four for reads.
CONNECTIONS = 6 * HOSTS

_OURS = "FROM pg_stat_activity WHERE application_name = 'aegis-server'"

Fault = Callable[[PostgresServer, Faults], Awaitable[None]]


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A Postgres that only this test breaks."""
    server = PostgresServer.fresh()
    yield server
    server.remove()


async def stop_at_once(postgres: PostgresServer, faults: Faults) -> None:
    """As `pg_ctl stop -m immediate`, and a start with recovery."""
    await asyncio.to_thread(postgres.stop, signal.SIGQUIT)
    await asyncio.sleep(faults.dice.uniform(0.1, 1.5))
    await asyncio.to_thread(postgres.start)


async def cut_all(postgres: PostgresServer, faults: Faults) -> None:
    await asyncio.to_thread(postgres.execute, f"SELECT pg_terminate_backend(pid) {_OURS}")


async def freeze(postgres: PostgresServer, faults: Faults) -> None:
    postgres.signal(signal.SIGSTOP)
    await asyncio.sleep(faults.of(3.0, 5.0))
    postgres.signal(signal.SIGCONT)


async def under(
    fault: Fault,
    postgres: PostgresServer,
    place: Path,
    faults: Faults,
    rounds: int,
    *changes: str,
    within: float = 30,
) -> Log:
    """Have the fault `rounds` times under load; look at what is left, and at who is still there."""
    log = Log()
    url = postgres.url(postgres.new_database())
    with hosts([postgres_store(url)] * HOSTS, place, *changes) as servers:
        pids = [server.process.pid for server in servers]
        async with load(urls_of(servers), faults.dice, log=log, timeout=within):
            for _ in range(rounds):
                await asyncio.sleep(faults.dice.uniform(0.3, 1.0))
                await fault(postgres, faults)
                back = await seconds_until_back(servers, within)
                assert back < BACK_SECONDS or not faults.is_full
            await asyncio.sleep(0.5)
        assert [(s.process.pid, s.process.poll()) for s in servers] == [(p, None) for p in pids]
        ((connections,),) = await asyncio.to_thread(postgres.execute, f"SELECT count(*) {_OURS}")
        assert connections <= CONNECTIONS
        async with journal_of(servers[0].environment) as journal:
            await require_kept(journal, log.acknowledged)
        end_all(servers)
    # Only answers, and 503 with Retry-After.
    assert log.wrong == []
    return log


@pytest.mark.parametrize(
    ("fault", "name", "short", "full"),
    [
        (stop_at_once, "Postgres stopped at once", 2, 10),
        (cut_all, "all connections terminated", 5, 50),
        (freeze, "all of Postgres frozen", 1, 3),
    ],
)
async def test_what_was_acknowledged_stays_and_service_comes_back(
    fault: Fault, name: str, short: int, full: int, tmp_path: Path, faults: Faults,
    own_server: PostgresServer,
) -> None:  # fmt: skip
    rounds = faults.of(short, full)
    log = await under(fault, own_server, tmp_path / "hosts", faults, rounds)
    faults.passed(
        "R7", name, rounds, acknowledged=len(log.acknowledged), refused_with_retry_after=log.refused,
        without_answer=log.maybe, lost=0, unaudited=0,
    )  # fmt: skip


async def test_it_turns_red_when_a_lost_connection_is_never_replaced(
    tmp_path: Path, faults: Faults, own_server: PostgresServer
) -> None:
    bug = "tests.faults.planted_postgres:keeps_lost_connections"
    with pytest.raises(TimeoutError):
        await under(cut_all, own_server, tmp_path / "hosts", faults, 1, bug, within=3)
    faults.red("R7", "all connections terminated", "never connects again", "no success in 3 s")
