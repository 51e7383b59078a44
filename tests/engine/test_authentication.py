"""Who asks: one text for every refusal, a bounded cache, and a flood that fills no disk."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from aegis_auth_hmac import JwtIssuer

from aegis_kernel.domain.errors import UnauthorizedError
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.strangers import RECORDS_IN_ALL, RECORDS_PER_SOURCE, WINDOW_SECONDS
from aegis_kernel.testing.doubles import ManualClock
from tests.support.kernel import settings

SECRET = "3f1e8a-a-secret-of-more-than-32-bytes-0c7b"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def kernel(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Kernel]:
    chosen = settings(tmp_path, AEGIS_AUTH_KIND="hmac", AEGIS_AUTH_HMAC_SECRET=SECRET)
    async with Kernel(chosen, clock) as running:
        yield running


def bearer(clock: ManualClock, ttl: timedelta = timedelta(hours=1), secret: str = SECRET) -> bytes:
    token = JwtIssuer.hmac(secret, now=clock.time).issue("alice", {"admins"}, ttl)
    return b"Bearer " + token.encode()


async def test_a_good_token_names_its_principal(kernel: Kernel, clock: ManualClock) -> None:
    headers = [(b"host", b"x"), (b"authorization", bearer(clock))]
    principal = await kernel.authentication.authenticate(headers)
    assert (principal.subject, principal.groups) == ("alice", frozenset({"admins"}))


async def test_every_refusal_has_the_same_text(kernel: Kernel, clock: ManualClock) -> None:
    good = bearer(clock)
    texts = set()
    for headers in (
        [],
        [(b"authorization", b"")],
        [(b"authorization", good[:-1])],
        [(b"authorization", bearer(clock, secret=SECRET[::-1]))],
        [(b"authorization", good), (b"authorization", good)],
        [(b"x-aegis-user", b"alice")],
    ):
        with pytest.raises(UnauthorizedError) as refused:
            await kernel.authentication.authenticate(headers)
        texts.add(refused.value.message)
    assert len(texts) == 1


async def test_a_cached_token_ends_when_it_expires(kernel: Kernel, clock: ManualClock) -> None:
    headers = [(b"authorization", bearer(clock, timedelta(seconds=5)))]
    await kernel.authentication.authenticate(headers)
    clock.advance(5 + 30 + 1)
    with pytest.raises(UnauthorizedError):
        await kernel.authentication.authenticate(headers)


async def test_a_wall_clock_set_back_does_not_keep_a_cached_token_alive(
    kernel: Kernel, clock: ManualClock
) -> None:
    headers = [(b"authorization", bearer(clock, timedelta(seconds=5)))]
    await kernel.authentication.authenticate(headers)
    clock.advance(60)
    clock.step(-3600)
    with pytest.raises(UnauthorizedError):
        await kernel.authentication.authenticate(headers)


async def test_nobody_is_called_as_the_kernel_itself(tmp_path: Path, clock: ManualClock) -> None:
    async with Kernel(settings(tmp_path), clock) as kernel:
        with pytest.raises(UnauthorizedError):
            await kernel.authentication.authenticate([(b"x-aegis-user", b"aegis")])


async def records(kernel: Kernel) -> list[dict[str, object]]:
    ledger = await kernel.providers.journal.ledger(0, 1000)
    return [json.loads(record.body) for record in ledger]


async def flood(kernel: Kernel, times: int, source: str) -> None:
    for _ in range(times):
        with pytest.raises(UnauthorizedError):
            await kernel.authentication.authenticate([], source)


async def test_a_flood_is_recorded_up_to_a_rate_and_then_counted(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with Kernel(settings(tmp_path), clock) as kernel:
        await flood(kernel, 500, "192.0.2.1")
        clock.advance(WINDOW_SECONDS)
        await flood(kernel, 1, "192.0.2.1")
        await kernel._strangers.aclose()
        rows = await records(kernel)
    single = [row for row in rows if "count" not in row]
    assert len(single) == RECORDS_PER_SOURCE + 1
    assert [row["count"] for row in rows if "count" in row] == [500 - RECORDS_PER_SOURCE]
    assert single[0]["actorKind"] == "Unknown"
    assert (single[0]["op"], single[0]["outcome"]) == ("Authenticate", "Unauthorized")


async def test_many_sources_together_are_bounded_too(tmp_path: Path, clock: ManualClock) -> None:
    async with Kernel(settings(tmp_path), clock) as kernel:
        for n in range(3000):
            await flood(kernel, 1, f"192.0.2.{n}")
        await kernel._strangers.aclose()
        rows = await records(kernel)
    assert len(rows) == RECORDS_IN_ALL + 1
    assert rows[-1]["count"] == 3000 - RECORDS_IN_ALL
