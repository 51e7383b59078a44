"""A host is frozen by SIGSTOP in the middle of a commit: the others go on, and it wakes up harmless."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from tests.faults.checker import journal_of, ledger_of
from tests.faults.clients import AES, PLAIN, headers
from tests.faults.hosts import hosts, postgres_store
from tests.faults.proxy import Cut, Proxy, proxy_before
from tests.faults.report import Faults
from tests.faults.test_compromise import UsedError, require_no_use
from tests.faults.test_linearizable import end_all
from tests.support.postgres import PostgresServer
from tests.support.server import Server

FAULT = "a host frozen in the middle of a commit"
#: What a host that holds locks can cost the others: idle_in_transaction_session_timeout and a second.
BOUND_SECONDS = 6.0
# Where nothing is locked; generous, for the machine is busy with other tests.
FREE_SECONDS = 2.0


async def trial(
    http: httpx.AsyncClient, servers: Sequence[Server], proxy: Proxy, cut: Cut
) -> tuple[int, float]:
    """Freeze the first host while its use of a key is under way; compromise the key by the second.

    Return the status of the frozen use, and how long the compromise took.
    """
    frozen, other = servers
    path = await _known_key(http, servers)
    proxy.arm(b'"op":"Encrypt"', cut)
    use = asyncio.create_task(_encrypt(http, frozen.url + path))
    assert await asyncio.to_thread(proxy.reached.wait, 10)
    os.killpg(frozen.process.pid, signal.SIGSTOP)
    seconds = await _compromise(http, other.url + path)
    proxy.release()
    await asyncio.sleep(0.1)
    os.killpg(frozen.process.pid, signal.SIGCONT)
    return (await use).status_code, seconds


async def _known_key(http: httpx.AsyncClient, servers: Sequence[Server]) -> str:
    made = await http.post(f"{servers[0].url}/v1/keys", json={"spec": AES})
    path = f"/v1/keys/{made.json()['id']}"
    assert (await http.post(f"{servers[0].url}{path}/activate")).is_success
    for server in servers:
        assert (await _encrypt(http, server.url + path)).is_success
    return path


async def _encrypt(http: httpx.AsyncClient, url: str) -> httpx.Response:
    return await http.post(f"{url}/encrypt", json={"plaintextBase64": PLAIN})


async def _compromise(http: httpx.AsyncClient, url: str) -> float:
    """Compromise as a client does who was told to come back; return how long it took in all."""
    began = time.monotonic()
    while not (answer := await http.post(f"{url}/compromise", json={"reason": "x"})).is_success:
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True), answer.text
        assert time.monotonic() - began < 30
        await asyncio.sleep(0.1)
    return time.monotonic() - began


async def freeze(
    postgres: PostgresServer, url: str, place: Path, count: int, *changes: str
) -> tuple[Counter[str], float]:
    counts, longest = Counter[str](), 0.0
    with proxy_before(postgres.port) as proxy:
        through = url.replace(f":{postgres.port}/", f":{proxy.port}/")
        with hosts([postgres_store(through), postgres_store(url)], place, *changes) as servers:
            async with httpx.AsyncClient(headers=headers(), timeout=40) as http:
                for number in range(count):
                    cut = Cut.HOLD_ANSWER if number % 2 else Cut.HOLD
                    status, seconds = await trial(http, servers, proxy, cut)
                    longest = max(longest, seconds)
                    counts[f"{cut}_{status}"] += 1
            end_all(servers)
            await _require_lawful(servers[1], 2 * count)
    return counts, longest


async def _require_lawful(server: Server, keys: int) -> None:
    async with journal_of(server.environment) as journal:
        rows = [row async for row in ledger_of(journal)]
    require_no_use(rows)
    repeated = Counter(row["requestId"] for row in rows if "requestId" in row)
    assert max(repeated.values()) == 1, "something has two records"


async def test_a_result_that_was_overtaken_is_never_released(
    tmp_path: Path, faults: Faults, postgres: str, postgres_server: PostgresServer
) -> None:
    count = faults.of(8, 100)
    counts, longest = await freeze(postgres_server, postgres, tmp_path / "hosts", count)
    # Before Postgres had it, the compromise came first; after, the use did and is answered late.
    assert counts == {"hold_409": count / 2, "hold_answer_200": count / 2}
    assert longest < FREE_SECONDS
    faults.passed(
        "Frozen", FAULT, count, overtaken_and_refused=count // 2, committed_and_answered=count // 2,
        stale_results=0, committed_twice=0, longest_wait_of_others_ms=round(longest * 1000),
    )  # fmt: skip


async def test_locks_that_it_holds_are_bounded(
    tmp_path: Path, faults: Faults, postgres: str
) -> None:
    flag, rounds, longest = tmp_path / "freeze", faults.of(1, 10), 0.0
    change = f"tests.faults.planted_postgres:freezes_before_the_commit={flag}"
    with hosts([postgres_store(postgres)] * 2, tmp_path / "hosts", change) as servers:
        async with httpx.AsyncClient(headers=headers(), timeout=40) as http:
            for _ in range(rounds):
                path = await _known_key(http, servers)
                flag.touch()
                use = asyncio.create_task(_encrypt(http, servers[0].url + path))
                while flag.exists():
                    await asyncio.sleep(0.01)
                longest = max(longest, await _compromise(http, servers[1].url + path))
                os.killpg(servers[0].process.pid, signal.SIGCONT)
                assert (await use).status_code == 409
        end_all(servers)
        await _require_lawful(servers[1], 2 * rounds)
    assert longest < BOUND_SECONDS or not faults.is_full
    faults.passed(
        "Frozen", "a host frozen while it holds locks", rounds, stale_results=0, committed_twice=0,
        longest_wait_of_others_ms=round(longest * 1000),
    )  # fmt: skip


async def test_it_turns_red_when_uses_are_not_fenced(
    tmp_path: Path, faults: Faults, postgres: str, postgres_server: PostgresServer
) -> None:
    bug = "tests.faults.planted_fence:fences_no_use"
    with pytest.raises(UsedError) as noticed:
        await freeze(postgres_server, postgres, tmp_path / "hosts", 2, bug)
    faults.red("Frozen", FAULT, "uses without expectations", str(noticed.value))
