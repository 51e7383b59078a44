"""R19, twice as much as it can do: who is let in is served in time, who is not is told so at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from aegis_kernel.rest.edge import Limits
from tests.faults.clients import AES, PLAIN, headers
from tests.faults.rates import Answer, Crowd, bytes_of, closed_loop, crowd, open_loop, p99
from tests.faults.report import Faults
from tests.faults.stores import SQLITE
from tests.outside.secured import resident_mib

OVERLOAD = "twice the batches that it can do"
STORM = "keys of RSA-4096 by the hundred"
SLOW = bytes_of("POST", "/v1/keys", {"spec": {"name": "s", "algorithm": "RSA", "sizeBits": 4096}})
RSA = {"name": "signer", "algorithm": "RSA", "sizeBits": 2048}
SIGN = {"messageBase64": PLAIN, "algorithm": "RsaPssSha256"}
# A request that costs many times its refusal; of cheaper ones fewer are served (docs/adr/0014).
BATCH = {"items": [{"plaintextBase64": PLAIN}] * 50}

CONNECTIONS = 2000
AT_ONCE = 64
LET_IN = Limits().requests_at_work
IN_TIME_SECONDS = 1.0
GROWTH_MIB = 150
SLOW_KEYS = 104
#: As many keys as may wait to be made (the kernel's executor).
ROOM = 64
#: Others may take the machine between the measurement and the load; what is unbounded, always is.
TRIES = 3


class OverloadedError(AssertionError):
    """Somebody who was let in has waited too long, or too few were served."""


class Seen(NamedTuple):
    """What twice the capacity came to; `goodput` is a part of the peak."""

    peak: int
    goodput: float
    p99: float
    served: int
    refused: int
    grown: float


async def overloaded(
    data: Path, seconds: float, least: float, *changes: str, slow: float = 0, tries: int = TRIES
) -> Seen:
    """Ask for twice what it can do, after having measured that. Raises OverloadedError.

    Where the machine itself is slow, a request may take `slow` times as long as all that are let in.
    """
    with SQLITE.serving(data, *changes) as server:
        key_id = await active_key(server.url, AES)
        request = bytes_of("POST", f"/v1/keys/{key_id}/encrypt/batch", BATCH)
        async with crowd(server.url, CONNECTIONS) as clients:
            before = resident_mib(server)
            for _ in range(tries):
                seen = await double(clients, request, seconds)
                in_time = max(IN_TIME_SECONDS, slow * LET_IN / seen.peak)
                if seen.p99 <= in_time and seen.goodput >= least:
                    grown = resident_mib(server) - before
                    return seen._replace(grown=grown)
    raise OverloadedError(f"p99 {seen.p99:.1f} s, {seen.goodput:.0%} of what it can do")


async def double(clients: Crowd, request: bytes, seconds: float) -> Seen:
    calm, _ = split(await closed_loop(clients, request, AT_ONCE, seconds))
    peak = len(calm) / seconds
    answers = await open_loop(clients, request, 2 * peak, seconds)
    served, refused = split(answers)
    # Answers still come after the last request was sent.
    took = max(seconds, *(answer.seconds for answer in served))
    goodput = len(served) / took / peak
    return Seen(round(peak), goodput, p99(served, served[0].status), len(served), len(refused), 0.0)


def split(answers: Sequence[Answer]) -> tuple[list[Answer], list[Answer]]:
    """Return those that were served, and those told to come again: nothing else, and none hung."""
    served = [answer for answer in answers if answer.status in (200, 201)]
    refused = [answer for answer in answers if answer.status == 503 and answer.retry_after]
    assert len(served) + len(refused) == len(answers), {answer.status for answer in answers}
    return served, refused


async def stormed(
    data: Path, seconds: float, *changes: str, slow_keys: int = SLOW_KEYS, tries: int = TRIES
) -> Seen:
    """Ask for keys that take long to make, and beside them for what is quick. Raises OverloadedError."""
    with SQLITE.serving(data, *changes) as server:
        aes, rsa = await active_key(server.url, AES), await active_key(server.url, RSA)
        encrypt = bytes_of("POST", f"/v1/keys/{aes}/encrypt", {"plaintextBase64": PLAIN})
        sign = bytes_of("POST", f"/v1/keys/{rsa}/sign", SIGN)
        async with crowd(server.url, 2 * slow_keys) as clients:
            before = resident_mib(server)
            slow = [asyncio.create_task(clients.ask(SLOW)) for _ in range(slow_keys)]
            try:
                for _ in range(tries):
                    answers, signed = await asyncio.gather(
                        open_loop(clients, encrypt, 50, seconds),
                        open_loop(clients, sign, 10, seconds),
                    )
                    longest = max(answer.seconds for answer in (*answers, *signed))
                    served, late = split((*answers, *signed))
                    if not late and longest <= IN_TIME_SECONDS:
                        _, refused = split([task.result() for task in slow if task.done()])
                        grown = resident_mib(server) - before
                        return Seen(60, 1.0, longest, len(served), len(refused), grown)
            finally:
                await drop(slow)
    raise OverloadedError(f"{longest:.1f} s for quick work, {len(late)} refused of {len(answers)}")


async def drop(tasks: Sequence[asyncio.Task[Answer]]) -> None:
    for task in tasks:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)


async def active_key(url: str, spec: Any) -> str:
    async with httpx.AsyncClient(base_url=url, headers=headers(), timeout=30) as http:
        key_id: str = (await http.post("/v1/keys", json={"spec": spec})).json()["id"]
        (await http.post(f"/v1/keys/{key_id}/activate")).raise_for_status()
    return key_id


async def test_who_is_let_in_is_served_in_time_and_the_others_are_told(
    tmp_path: Path, faults: Faults
) -> None:
    seen = await overloaded(
        tmp_path / "data", faults.of(1.5, 20.0), faults.of(0.5, 0.6), slow=faults.of(2.0, 0.0)
    )
    assert seen.refused > 0
    assert seen.grown < GROWTH_MIB
    faults.passed(
        "R19", OVERLOAD, 1, a_second_at_most=seen.peak, served=seen.served,
        refused=seen.refused, percent_of_that=round(100 * seen.goodput),
        ms_p99=round(1000 * seen.p99), MiB_grown=round(seen.grown), hung=0,
    )  # fmt: skip


async def test_it_turns_red_where_nothing_is_bounded(tmp_path: Path, faults: Faults) -> None:
    bug = "tests.faults.planted_overload:nothing_is_bounded"
    with pytest.raises(OverloadedError) as noticed:
        await overloaded(tmp_path / "data", 3.0, 0.0, bug, tries=1)
    faults.red("R19", OVERLOAD, "nothing is bounded", str(noticed.value))


async def test_quick_work_goes_on_beside_keys_that_take_long(
    tmp_path: Path, faults: Faults
) -> None:
    seen = await stormed(tmp_path / "data", faults.of(2.0, 20.0))
    # What has been made meanwhile has left its room to others.
    assert SLOW_KEYS // 4 <= seen.refused <= SLOW_KEYS - ROOM
    assert seen.grown < GROWTH_MIB
    faults.passed(
        "R19", STORM, 1, asked=SLOW_KEYS, refused=seen.refused, quick_served=seen.served,
        ms_longest=round(1000 * seen.p99), MiB_grown=round(seen.grown),
    )  # fmt: skip


async def test_it_turns_red_where_all_slow_work_shares_one_lane(
    tmp_path: Path, faults: Faults
) -> None:
    bug = "tests.faults.planted_overload:one_lane"
    with pytest.raises(OverloadedError) as noticed:
        await stormed(tmp_path / "data", 1.0, bug, slow_keys=16, tries=1)
    faults.red("R19", STORM, "one lane", str(noticed.value))
