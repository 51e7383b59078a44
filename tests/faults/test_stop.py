"""R15, SIGTERM and SIGHUP under load: who was let in is answered, and each answer is on record."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from tests.faults.acknowledged import Acknowledged, Log
from tests.faults.checker import delivered_lines, journal_of, require_kept
from tests.faults.clients import headers, load
from tests.faults.hosts import postgres_store, require_delivered
from tests.faults.report import Faults
from tests.faults.stores import SQLITE
from tests.support.server import Server

STOP = "SIGTERM under load, sqlite"
RESTART = "SIGHUP under load, two workers, postgres"
DRAIN_SECONDS = 1.0
STOP_SECONDS = 15.0
RESTART_SECONDS = 60.0
#: Keys for two threads to make while the drain ends.
SLOW = {"spec": {"name": "slow", "algorithm": "RSA", "sizeBits": 3072}}
SLOW_KEYS = 4


class DroppedError(AssertionError):
    """A request that was let in has no answer."""


async def stop_rounds(data: Path, faults: Faults, rounds: int, *changes: str) -> tuple[Log, float]:
    """Stop it `rounds` times under load; return what clients saw, and the longest stop in seconds."""
    log, longest = Log(), 0.0
    with SQLITE.serving(data, *changes, AEGIS_DRAIN_SECONDS=str(DRAIN_SECONDS)) as server:
        for number in range(rounds):
            if number:
                server.start()
            longest = max(longest, await stop_once(server, faults.dice, log))
        async with journal_of(server.environment) as journal:
            lines = list(delivered_lines(server.audit_files))
            await require_kept(journal, log.acknowledged, lines)
    require_once(lines)
    return log, longest


async def stop_once(server: Server, dice: random.Random, log: Log) -> float:
    """Send it SIGTERM under load; return how many seconds it took to end.

    The clients go elsewhere during the drain, as a load balancer leads them; others want what
    takes longer than the drain does.
    """
    async with httpx.AsyncClient(headers=headers(), timeout=60) as http:
        async with load([server.url], dice, log=log):
            await asyncio.sleep(dice.uniform(0.2, 1.0))
            server.process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            await asyncio.sleep(dice.uniform(0.05, 0.5))
        await asyncio.sleep(began + DRAIN_SECONDS - 0.2 - time.monotonic())
        slow = [asyncio.create_task(make_slow_key(http, server.url, log)) for _ in range(SLOW_KEYS)]
        await asyncio.gather(*slow)
    code = await asyncio.to_thread(server.wait)
    require_answered(log)
    assert code == 0
    return time.monotonic() - began


async def make_slow_key(http: httpx.AsyncClient, url: str, log: Log) -> None:
    try:
        answer = await http.post(f"{url}/v1/keys", json=SLOW)
    except httpx.TransportError:
        log.maybe += 1
        return
    if answer.status_code != 201:
        log.wrong.append(f"{answer.status_code} {answer.text}")
        return
    request_id = answer.headers["X-Request-Id"]
    log.acknowledged.append(Acknowledged(request_id, "KeyCreated", answer.json()["id"], 1))


def require_answered(log: Log) -> None:
    """Raise DroppedError unless every request had its answer, and a good one."""
    if log.maybe or log.refused or log.wrong:
        wrong = f", {len(log.wrong)} answered wrongly, such as {log.wrong[0]}" if log.wrong else ""
        raise DroppedError(f"{log.maybe} requests dropped, {log.refused} refused{wrong}")


def require_once(lines: Sequence[str]) -> None:
    """Raise AssertionError if a sink was given a record twice: nothing was killed."""
    counts = Counter(json.loads(line)["eventId"] for line in lines)
    assert [event for event, count in counts.items() if count > 1] == []


async def restart_rounds(data: Path, url: str, faults: Faults, rounds: int, *changes: str) -> Log:
    """Replace the workers of a server `rounds` times under load."""
    store, log = postgres_store(url, workers=2), Log()
    with store.serving(data, *changes, AEGIS_DRAIN_SECONDS=str(DRAIN_SECONDS)) as server:
        async with load([server.url], faults.dice, log=log):
            for number in range(rounds):
                await asyncio.sleep(faults.dice.uniform(0.2, 1.0))
                await restart_once(server, number + 1)
        require_answered(log)
        async with journal_of(server.environment) as journal:
            await require_kept(journal, log.acknowledged)
            await require_delivered(journal, [server])
        assert await asyncio.to_thread(server.terminate) == 0
    return log


async def restart_once(server: Server, times: int) -> None:
    server.process.send_signal(signal.SIGHUP)
    until = time.monotonic() + RESTART_SECONDS
    while server.log.count("Restarted the workers") < times:
        if time.monotonic() > until:
            raise DroppedError("the workers were not replaced")
        await asyncio.sleep(0.05)


async def test_a_stop_drops_no_request_and_loses_no_record(tmp_path: Path, faults: Faults) -> None:
    rounds = faults.of(3, 20)
    log, longest = await stop_rounds(tmp_path / "data", faults, rounds)
    assert longest < STOP_SECONDS
    count = len(log.acknowledged)
    assert count > rounds * 20
    faults.passed(
        "R15", STOP, rounds, answered=count, stops=rounds, dropped=0, delivered_twice=0,
        seconds_at_most=round(longest + 0.5),
    )  # fmt: skip


async def test_it_turns_red_when_the_process_ends_at_the_signal(
    tmp_path: Path, faults: Faults
) -> None:
    bug = "tests.faults.planted_stop:exits_at_once"
    with pytest.raises(DroppedError) as noticed:
        await stop_rounds(tmp_path / "data", faults, 1, bug)
    faults.red("R15", STOP, "exits at the signal", str(noticed.value))


async def test_a_rolling_restart_drops_no_request(
    tmp_path: Path, faults: Faults, postgres: str
) -> None:
    rounds = faults.of(1, 20)
    log = await restart_rounds(tmp_path / "data", postgres, faults, rounds)
    count = len(log.acknowledged)
    assert count > rounds * 20
    faults.passed("R15", RESTART, rounds, answered=count, restarts=rounds, dropped=0)
