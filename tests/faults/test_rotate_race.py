"""R5: many rotate one key at the same time, over four hosts: each version is made once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.clients import AES, headers
from tests.faults.hosts import hosts, postgres_store
from tests.faults.report import Faults

FAULT = "rotate race"
RIVALS = 64
HOSTS = 4


class TwiceError(AssertionError):
    """Two rotations had the same version, or one is missing."""


async def race(http: httpx.AsyncClient, urls: Sequence[str], rivals: int, **sent: str) -> list[Any]:
    """Let `rivals` rotate a new key at once, and return the answers; look at every version of it."""
    made = await http.post(f"{urls[0]}/v1/keys", json={"spec": AES})
    path = f"/v1/keys/{made.json()['id']}"
    active = await http.post(f"{urls[0]}{path}/activate")
    match = {"If-Match": active.headers["ETag"]} if "match" in sent else {}
    answers = await asyncio.gather(
        *(
            http.post(f"{urls[n % len(urls)]}{path}/rotate", json={}, headers=match)
            for n in range(rivals)
        )
    )
    won = sorted(a.json()["currentVersion"] for a in answers if a.is_success)
    for url in urls:
        key = (await http.get(url + path)).json()
        versions = (await http.get(f"{url}{path}/versions")).json()["items"]
        numbers = sorted(version["version"] for version in versions)
        contiguous = list(range(1, len(won) + 2))
        if won != contiguous[1:] or numbers != contiguous or key["currentVersion"] != len(won) + 1:
            raise TwiceError(f"{len(won)} rotations made {won}; the key has {numbers}")
    return answers


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(headers=headers(), timeout=60, limits=httpx.Limits())


async def test_versions_are_contiguous(tmp_path: Path, faults: Faults, postgres: str) -> None:
    rounds, rotated, late = faults.of(2, 20), 0, 0
    with hosts([postgres_store(postgres)] * HOSTS, tmp_path / "hosts") as servers:
        urls = [server.url for server in servers]
        async with client() as http:
            for _ in range(rounds):
                answers = await race(http, urls, RIVALS)
                rotated += sum(answer.is_success for answer in answers)
                # Who loses again and again is told to come back: nothing has happened then.
                refused = [answer for answer in answers if not answer.is_success]
                assert {(a.status_code, "Retry-After" in a.headers) for a in refused} <= {
                    (503, True)
                }
                late += len(refused)
            assert rotated > late
            winners = 0
            for _ in range(rounds):
                answers = await race(http, urls, RIVALS, match="true")
                winners += sum(answer.is_success for answer in answers)
                assert {a.status_code for a in answers if not a.is_success} <= {409, 412}
            assert winners == rounds
    faults.passed(
        "R5", FAULT, rounds, rotations=rotated, told_to_come_back=late, gaps=0, duplicates=0,
        races_with_if_match=rounds, winners=winners,
    )  # fmt: skip


async def test_it_turns_red_when_the_last_write_wins(
    tmp_path: Path, faults: Faults, postgres: str
) -> None:
    bug = "tests.faults.planted_fence:last_write_wins"
    with hosts([postgres_store(postgres)] * 2, tmp_path / "hosts", bug) as servers:
        async with client() as http:
            with pytest.raises(TwiceError) as noticed:
                await race(http, [server.url for server in servers], 8)
    faults.red("R5", FAULT, "the last write wins", str(noticed.value))
