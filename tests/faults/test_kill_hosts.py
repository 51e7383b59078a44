"""R1 with Postgres: kill -9 of one host, or of all, under load."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.acknowledged import Log
from tests.faults.checker import BrokenPromiseError, journal_of, require_kept
from tests.faults.clients import load
from tests.faults.hosts import hosts, postgres_store, require_delivered, urls_of
from tests.faults.report import Faults
from tests.faults.stores import Store
from tests.faults.test_linearizable import end_all

FAULT = "kill -9 of one of two hosts, and of both, postgres"


async def kill_rounds(
    stores: Sequence[Store], place: Path, faults: Faults, rounds: int, *changes: str
) -> Log:
    log = Log()
    with hosts(stores, place, *changes) as servers:
        for number in range(rounds):
            victims = servers if number % 2 else [faults.dice.choice(servers)]
            async with load(urls_of(servers), faults.dice, log=log):
                await asyncio.sleep(faults.dice.uniform(0.2, 2.0))
                for server in victims:
                    server.kill()
                # Who is left goes on meanwhile.
                await asyncio.sleep(0.2)
            for server in victims:
                server.start()
        async with journal_of(servers[0].environment) as journal:
            await require_kept(journal, log.acknowledged)
            await require_delivered(journal, servers)
        end_all(servers)
    assert log.wrong == []
    return log


async def test_nothing_acknowledged_is_lost_and_nothing_is_unaudited(
    tmp_path: Path, faults: Faults, postgres: str
) -> None:
    rounds = faults.of(3, 50)
    stores = [postgres_store(postgres)] * 2
    log = await kill_rounds(stores, tmp_path / "hosts", faults, rounds)
    count = len(log.acknowledged)
    assert count > rounds * 8
    faults.passed("R1", FAULT, rounds, acknowledged=count, crashes=rounds, lost=0, unaudited=0)


async def test_it_turns_red_when_answers_leave_before_the_commit(
    tmp_path: Path, faults: Faults, postgres: str
) -> None:
    bug = "tests.faults.planted:answers_first=300"
    stores = [postgres_store(postgres)] * 2
    with pytest.raises(BrokenPromiseError, match="lost") as noticed:
        await kill_rounds(stores, tmp_path / "hosts", faults, 1, bug)
    faults.red("R1", FAULT, "answers before the commit", str(noticed.value))
