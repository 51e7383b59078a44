"""A connection is cut at COMMIT: whatever has become of the commit, nothing is done twice."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.checker import journal_of, ledger_of
from tests.faults.clients import AES, headers
from tests.faults.hosts import hosts, postgres_store
from tests.faults.proxy import Cut, proxy_before
from tests.faults.report import Faults
from tests.faults.test_linearizable import end_all
from tests.support.postgres import PostgresServer

FAULT = "connection cut at COMMIT"


class TwiceError(AssertionError):
    """Something was done twice, or not at all."""


async def trials(
    postgres: PostgresServer, url: str, place: Path, faults: Faults, count: int, *changes: str
) -> Counter[str]:
    """Rotate `count` keys over a host whose connection is cut meanwhile; a 503 is asked again."""
    counts: Counter[str] = Counter()
    with proxy_before(postgres.port) as proxy:
        through = url.replace(f":{postgres.port}/", f":{proxy.port}/")
        stores = [postgres_store(through), postgres_store(url)]
        with hosts(stores, place, *changes) as (cut_off, other):
            async with httpx.AsyncClient(headers=headers(), timeout=40) as http:
                for _ in range(count):
                    path = await _active_key(http, other.url)
                    cut = faults.dice.choice((Cut.BEFORE, Cut.AFTER))
                    proxy.arm(b'"op":"Rotate"', cut)
                    # With an idempotency key it can be asked again; without, it must not be done so.
                    once = (
                        {"Idempotency-Key": uuid.uuid4().hex} if faults.dice.random() < 0.5 else {}
                    )
                    became = await _rotate(http, (cut_off.url, other.url), path, once)
                    assert proxy.reached.is_set()
                    counts += Counter([became, f"cut_{cut}"])
                    await _require_once(http, other.url, path, became)
            end_all([cut_off, other])
            async with journal_of(other.environment) as journal:
                _require_one_record_each([row async for row in ledger_of(journal)])
    return counts


async def _active_key(http: httpx.AsyncClient, url: str) -> str:
    made = await http.post(f"{url}/v1/keys", json={"spec": AES})
    path = f"/v1/keys/{made.json()['id']}"
    assert (await http.post(f"{url}{path}/activate")).is_success
    return path


async def _rotate(
    http: httpx.AsyncClient, urls: tuple[str, str], path: str, once: dict[str, str]
) -> str:
    answer = await http.post(f"{urls[0]}{path}/rotate", json={}, headers=once)
    if answer.is_success:
        return "answered"
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True), answer.text
    if not once:
        return "left_open"
    for _ in range(20):
        answer = await http.post(f"{urls[1]}{path}/rotate", json={}, headers=once)
        if answer.is_success:
            return "asked_again"
        await asyncio.sleep(0.5)
    raise AssertionError(answer.text)


async def _require_once(http: httpx.AsyncClient, url: str, path: str, became: str) -> None:
    version = (await http.get(url + path)).json()["currentVersion"]
    if version not in ((1, 2) if became == "left_open" else (2,)):
        raise TwiceError(f"one rotation of version 1, {became}, led to version {version}")


def _require_one_record_each(rows: list[dict[str, Any]]) -> None:
    done = Counter(
        row["keyId"]
        for row in rows
        if row["op"] == "Rotate" and row["outcome"] == "Success" and "mode" not in row
    )
    if set(done.values()) != {1}:
        raise TwiceError(f"a rotation has two records: {done}")


async def test_nothing_is_done_twice(
    tmp_path: Path, faults: Faults, postgres: str, postgres_server: PostgresServer
) -> None:
    count = faults.of(12, 200)
    counts = await trials(postgres_server, postgres, tmp_path / "hosts", faults, count)
    assert min(counts["cut_before"], counts["cut_after"]) > 0
    faults.passed("Cut", FAULT, count, **counts, done_twice=0, lost=0)


async def test_it_turns_red_when_a_lost_answer_counts_as_no_commit(
    tmp_path: Path, faults: Faults, postgres: str, postgres_server: PostgresServer
) -> None:
    bug = "tests.faults.planted_postgres:decides_anew"
    with pytest.raises((TwiceError, AssertionError)) as noticed:
        await trials(postgres_server, postgres, tmp_path / "hosts", faults, 12, bug)
    faults.red("Cut", FAULT, "a lost answer counts as no commit", str(noticed.value))
