"""A flood of failed authentications: few records, each failure in one of them, little memory."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aegis_auth_hmac import JwtIssuer

from aegis_kernel.engine import strangers
from aegis_kernel.engine.clock import SystemClock
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.strangers import (
    RECORDS_IN_ALL,
    RECORDS_PER_SOURCE,
    SOURCES_REMEMBERED,
    WINDOW_SECONDS,
)
from aegis_kernel.testing.doubles import ManualClock
from tests.support.kernel import running_kernel
from tests.support.sockets import answer, connection, serving

SECRET = "3f1e8a-a-secret-of-more-than-32-bytes-0c7b"
HMAC = {
    "AEGIS_AUTH_KIND": "hmac",
    "AEGIS_AUTH_HMAC_SECRET": SECRET,
    "AEGIS_TELEMETRY": "prometheus",
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def kernel(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Kernel]:
    async with running_kernel(tmp_path, clock, **HMAC) as kernel:
        yield kernel


async def rows(kernel: Kernel) -> list[dict[str, Any]]:
    """Return the records of failed authentications, once nothing is only counted any more."""
    await kernel._strangers.aclose()
    ledger = await kernel.providers.journal.ledger(0, 5000)
    every = [json.loads(record.body) for record in ledger]
    return [row for row in every if row["op"] == "Authenticate"]


def failures_in(found: list[dict[str, Any]]) -> int:
    return sum(row.get("count", 1) for row in found)


def failures_counted(kernel: Kernel) -> float:
    page = kernel.expose_metrics("")
    assert page is not None
    lines = page.body.decode().splitlines()
    return float(
        next(line for line in lines if line.startswith("aegis_auth_failures_total")).split()[1]
    )


async def flood(kernel: Kernel, failures: int, sources: int, clock: ManualClock) -> int:
    """Fail so often over about four windows; return the number of windows."""
    began = clock.monotonic()
    for n in range(failures):
        kernel._strangers.refused(f"2001:db8::{n % sources:x}", f"{n:032x}", "expired")
        clock.advance(4 * WINDOW_SECONDS / failures)
        if n % 50 == 0:
            await asyncio.sleep(0)
    return int((clock.monotonic() - began) / WINDOW_SECONDS) + 1


@pytest.mark.parametrize("sources", [1, 7, 3_000])
async def test_a_flood_makes_few_records_and_each_failure_is_in_one_of_them(
    kernel: Kernel, clock: ManualClock, sources: int
) -> None:
    windows = await flood(kernel, 40_000, sources, clock)
    found = await rows(kernel)
    most = min(RECORDS_IN_ALL, RECORDS_PER_SOURCE * sources)
    assert windows <= 5
    assert len(found) <= windows * (most + 1)
    assert failures_in(found) == 40_000
    assert failures_counted(kernel) == 40_000


async def test_a_summary_names_the_source_that_failed_most(
    kernel: Kernel, clock: ManualClock
) -> None:
    for source, failures in (("192.0.2.1", 40), ("192.0.2.2", 300), ("192.0.2.3", 12)):
        for _ in range(failures):
            kernel._strangers.refused(source, None, "expired")
    clock.advance(WINDOW_SECONDS)
    (summary,) = [row for row in await rows(kernel) if "count" in row]
    assert (summary["count"], summary["sourceIp"]) == (352 - 30, "192.0.2.2")
    assert summary["reason"] == "at least 290 of them from this source; sources: at least 3"


async def test_a_summary_of_nobody_known_names_no_source(kernel: Kernel) -> None:
    for _ in range(RECORDS_PER_SOURCE + 5):
        kernel._strangers.refused(None, None, "expired")
    (summary,) = [row for row in await rows(kernel) if "count" in row]
    assert summary["count"] == 5
    assert not {"sourceIp", "reason"} & set(summary)


async def test_a_window_ends_once_however_it_is_noticed(
    kernel: Kernel, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a failure and the timer would each begin one, and let twice as many records through."""
    monkeypatch.setattr(strangers, "WINDOW_SECONDS", 0.1)
    monkeypatch.setattr(strangers, "SHORTEST_SLEEP_SECONDS", 0.01)
    timer = asyncio.create_task(kernel._strangers.run())
    for _ in range(5):
        clock.advance(0.11)
        for _ in range(2):  # the second time, the timer has looked too
            for n in range(RECORDS_IN_ALL):
                kernel._strangers.refused(f"192.0.2.{n}", None, "expired")
            await asyncio.sleep(0.12)
    timer.cancel()
    single = [row for row in await rows(kernel) if "count" not in row]
    assert len(single) == 5 * RECORDS_IN_ALL


async def test_the_timer_summarises_when_nobody_fails_any_more(
    kernel: Kernel, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "WINDOW_SECONDS", 0.05)
    timer = asyncio.create_task(kernel._strangers.run())
    for _ in range(RECORDS_PER_SOURCE + 7):
        kernel._strangers.refused("192.0.2.1", None, "expired")
    clock.advance(0.06)
    await asyncio.sleep(0.3)
    timer.cancel()
    ledger = await kernel.providers.journal.ledger(0, 1000)
    assert json.loads(ledger[-1].body)["count"] == 7


async def test_what_a_closed_journal_does_not_take_is_in_a_later_record(
    kernel: Kernel, clock: ManualClock
) -> None:
    kernel._committer.closed_because = "the audit sink is behind"
    await flood(kernel, 5_000, 20, clock)
    kernel._strangers.summarise()
    await asyncio.sleep(0)
    kernel._committer.closed_because = None
    found = await rows(kernel)
    assert failures_in(found) == 5_000
    assert len(found) <= 2


async def test_memory_is_bounded_while_the_journal_stands_still(
    kernel: Kernel, clock: ManualClock
) -> None:
    held = Held(kernel)
    tracemalloc.start()
    try:
        await flood(kernel, 40_000, 12_000, clock)
        before = tracemalloc.get_traced_memory()[0]
        await flood(kernel, 40_000, 12_000, clock)
        grown = tracemalloc.get_traced_memory()[0] - before
        assert grown < 100_000
        assert len(kernel._strangers._tasks) <= RECORDS_IN_ALL
        assert len(kernel._strangers._unrecorded_by) <= SOURCES_REMEMBERED
    finally:
        tracemalloc.stop()
        held.release()
    assert failures_in(await rows(kernel)) == 80_000


class Held:
    """Holds the journal's commits back until it is released."""

    def __init__(self, kernel: Kernel) -> None:
        self._gate = asyncio.Event()
        self._commit = kernel.providers.journal.commit
        kernel._strangers._committer = self  # type: ignore[assignment]
        self._committer = kernel._committer

    def release(self) -> None:
        self._gate.set()

    async def commit(self, entry: Any) -> Any:
        await self._gate.wait()
        return await self._committer.commit(entry)


FLOODERS = 16
REQUESTS_EACH = 300


async def bad_tokens(port: int, number: int) -> int:
    """Ask so often with tokens of another secret; return the one status that came back."""
    stranger = JwtIssuer.hmac(SECRET[::-1])
    seen = set()
    async with connection(port, seconds=60) as (reader, writer):
        for n in range(REQUESTS_EACH):
            token = stranger.issue(f"mallory-{number}-{n}", (), 600).encode()
            writer.write(
                b"GET /v1/keys HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n" % token
            )
            seen.add((await answer(reader))[0])
    (status,) = seen
    return status


async def create(reader: Any, writer: Any, token: bytes) -> int:
    body = b'{"spec":{"name":"mine","algorithm":"AES","sizeBits":256}}'
    writer.write(
        b"POST /v1/keys HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s" % (token, len(body), body)
    )
    return (await answer(reader))[0]


async def test_users_are_served_during_a_flood_over_http(tmp_path: Path) -> None:
    environment = HMAC | {"AEGIS_JOURNAL_KIND": "sqlite"}
    loop = asyncio.get_running_loop()
    async with (
        running_kernel(tmp_path, SystemClock(), **environment) as kernel,
        serving(kernel) as port,
    ):
        token = JwtIssuer.hmac(SECRET).issue("alice", {"admins"}, 600).encode()
        flooding = asyncio.gather(*(bad_tokens(port, n) for n in range(FLOODERS)))
        waits: list[float] = []
        async with connection(port, seconds=60) as (reader, writer):
            while not flooding.done():
                began = loop.time()
                status = await create(reader, writer, token)
                waits.append(loop.time() - began)
                assert status == 201
        assert set(await flooding) == {401}
        found = await rows(kernel)
    failures = FLOODERS * REQUESTS_EACH
    assert failures_in(found) == failures
    assert failures_counted(kernel) == failures
    assert len(waits) >= 20
    assert max(waits) < 2
