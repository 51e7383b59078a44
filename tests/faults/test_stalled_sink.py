"""R9, a sink that stalls, fails and is slow: no request notices, and it gets all, in order, once mended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from tests.faults.acknowledged import Acknowledged
from tests.faults.checker import delivered_lines, journal_of, require_kept
from tests.faults.clients import AES, PLAIN, headers
from tests.faults.moods import Moody
from tests.faults.rates import Answer, Crowd, bytes_of, crowd, open_loop, p99
from tests.faults.report import Faults
from tests.faults.stores import SQLITE
from tests.outside.secured import resident_mib
from tests.support.server import Server

FAULT = "a sink stalls, fails, is slow"
MOODS = ("stalls", "fails", "is slow")
A_SECOND = 150
CONNECTIONS = 200
#: The machine may be busy with others now and then; a request that waits for the sink waits always.
TRIES = 3
GROWTH_MIB = 40
MENDED_SECONDS = 60
BACKLOG = 200


class NoticedError(AssertionError):
    """Requests take longer because of a sink."""


async def moods(
    place: Path, seconds: float, noticed: float, *changes: str
) -> tuple[list[Answer], float, float, float]:
    """Put a sink through its moods, each for so long. Beside it a request may take a tenth longer,
    or `noticed` seconds. Returns the answers, both p99 in seconds, and the MiB that it grew by.
    """
    moody = Moody(place / "moody")
    with SQLITE.serving(place / "data", *changes, **moody.environment) as server:
        key_id = await active_key(server)
        async with crowd(server.url, CONNECTIONS) as clients:
            before = resident_mib(server)
            answers, well, other = await unnoticed(
                clients, encrypt(key_id), moody, seconds, noticed
            )
            grown = resident_mib(server) - before
        await until_delivered(server, moody, len(answers))
        assert await asyncio.to_thread(server.terminate) == 0
        async with journal_of(server.environment) as journal:
            acknowledged = [acknowledged_of(answer, key_id) for answer in answers]
            await require_kept(journal, acknowledged, delivered_lines([moody.delivered]))
    return answers, well, other, grown


async def unnoticed(
    clients: Crowd, request: bytes, moody: Moody, seconds: float, noticed: float
) -> tuple[list[Answer], float, float]:
    """Return all answers, and the p99 beside the sink well and in a mood. Raises NoticedError."""
    answers: list[Answer] = []
    for _ in range(TRIES):
        well, other = await in_turns(clients, request, moody, seconds)
        answers += well + other
        assert {answer.status for answer in answers} == {200}
        calm, strained = p99(well), p99(other)
        if strained <= max(1.1 * calm, calm + noticed):
            return answers, calm, strained
    raise NoticedError(f"p99 {1000 * strained:.0f} ms, and {1000 * calm:.0f} ms with the sink well")


async def in_turns(
    clients: Crowd, request: bytes, moody: Moody, seconds: float
) -> tuple[list[Answer], list[Answer]]:
    """Ask beside a well sink and each mood in turn; return both kinds of answers."""
    well: list[Answer] = []
    other: list[Answer] = []
    for mood in MOODS:
        well += await open_loop(clients, request, A_SECOND, seconds)
        moody.be(mood)
        # Told apart from the answers: a request that waited for the sink would wait for good.
        asyncio.get_running_loop().call_later(seconds, moody.be, "well")
        other += await open_loop(clients, request, A_SECOND, seconds)
    return well, other


async def active_key(server: Server) -> str:
    async with httpx.AsyncClient(base_url=server.url, headers=headers()) as http:
        made = await http.post("/v1/keys", json={"spec": AES})
        key_id: str = made.json()["id"]
        (await http.post(f"/v1/keys/{key_id}/activate")).raise_for_status()
    return key_id


def encrypt(key_id: str) -> bytes:
    return bytes_of("POST", f"/v1/keys/{key_id}/encrypt", {"plaintextBase64": PLAIN})


def acknowledged_of(answer: Answer, key_id: str) -> Acknowledged:
    return Acknowledged(answer.request_id, "Encrypt", key_id)


async def until_delivered(server: Server, moody: Moody, at_least: int) -> None:
    """Wait until the sink has so many records: it is well again."""
    until = time.monotonic() + MENDED_SECONDS
    while sum(1 for _ in delivered_lines([moody.delivered])) < at_least:
        assert time.monotonic() < until, server.log[-500:]
        await asyncio.sleep(0.1)


async def test_no_request_notices_and_nothing_is_missing_once_it_is_mended(
    tmp_path: Path, faults: Faults
) -> None:
    answers, well, other, grown = await moods(tmp_path, faults.of(0.8, 20.0), faults.of(0.05, 0.02))
    assert grown < GROWTH_MIB
    faults.passed(
        "R9", FAULT, len(MOODS), acknowledged=len(answers), lost=0, out_of_order=0,
        ms_p99_beside_it=round(1000 * other), ms_p99_without=round(1000 * well),
        MiB_grown=round(grown),
    )  # fmt: skip


async def test_it_turns_red_when_requests_wait_for_the_sinks(
    tmp_path: Path, faults: Faults
) -> None:
    bug = "tests.faults.moods:requests_wait_for_the_sinks"
    with pytest.raises(NoticedError) as noticed:
        await moods(tmp_path, 0.4, 0.05, bug)
    faults.red("R9", FAULT, "requests wait for the sinks", str(noticed.value))


async def test_a_required_sink_too_far_behind_closes_the_house_until_it_is_mended(
    tmp_path: Path, faults: Faults
) -> None:
    moody = Moody(tmp_path / "moody")
    required = {"AEGIS_AUDIT_MOODY_REQUIRED": "true", "AEGIS_AUDIT_BACKLOG": str(BACKLOG)}
    with SQLITE.serving(tmp_path / "data", **moody.environment, **required) as server:
        key_id = await active_key(server)
        async with crowd(server.url, CONNECTIONS) as clients:
            moody.be("stalls")
            answers = await open_loop(clients, encrypt(key_id), A_SECOND, 4.0)
            moody.be("well")
            served, refused = split(answers)
            # The backlog is looked at once a second.
            assert BACKLOG - 10 <= len(served) <= BACKLOG + 2.5 * A_SECOND
            await until_open(clients, encrypt(key_id))
        assert await asyncio.to_thread(server.terminate) == 0
        async with journal_of(server.environment) as journal:
            acknowledged = [acknowledged_of(answer, key_id) for answer in served]
            await require_kept(journal, acknowledged, delivered_lines([moody.delivered]))
    faults.passed(
        "R9", "a required sink stalls", 1, acknowledged=len(served), refused=len(refused), lost=0
    )


def split(answers: Sequence[Answer]) -> tuple[list[Answer], list[Answer]]:
    """Return those that were served, and those refused with 503 and Retry-After: no others."""
    served = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 503 and answer.retry_after]
    assert len(served) + len(refused) == len(answers)
    return served, refused


async def until_open(clients: Crowd, request: bytes) -> None:
    until = time.monotonic() + MENDED_SECONDS
    while (await clients.ask(request)).status != 200:
        assert time.monotonic() < until
        await asyncio.sleep(0.1)
