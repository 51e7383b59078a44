"""The laws of a journal whose store fails: nothing half done, nothing told wrongly, and it heals."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import pytest

from aegis_kernel.domain.errors import UnavailableError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.spi.journal import Committed, Conflict, Entry, Journal
from aegis_kernel.spi.provider import Status
from aegis_kernel.testing.journal_entries import change, put, record, use

HEAL_SECONDS = 5.0

_STREAMS = 6
_ATTEMPTS = 400
_BIG = "x" * 4000


class Breakage(Protocol):
    """A way in which the store fails in the field: a full disk, a server that is away."""

    async def begin(self) -> None:
        """From now on commits fail, at once or before long."""
        ...

    async def end(self) -> None:
        """From now on the store is well again; the journal itself is not told."""
        ...


class JournalFaultConformance:
    """Override `journal` and `breakage`; run pytest-asyncio in auto mode."""

    @pytest.fixture
    async def journal(self) -> Journal:
        """An opened journal with an empty store; close it afterwards."""
        raise NotImplementedError("override the fixture `journal`")

    @pytest.fixture
    def breakage(self, journal: Journal) -> Breakage:
        """How the store of `journal` breaks and is mended."""
        raise NotImplementedError("override the fixture `breakage`")

    async def test_what_fails_is_whole_or_not_there(
        self, journal: Journal, breakage: Breakage
    ) -> None:
        await breakage.begin()
        done, failed = await _commit_until_it_fails(journal)
        await breakage.end()
        await _heals(journal)
        for number in range(done):
            assert await _parts(journal, number) == (1, True)
        assert await _parts(journal, done) in ((0, False), (1, True))
        bodies = [found.body for found in await journal.ledger(0, 500)]
        is_there = await journal.load(f"key/{done}") is not None
        assert (failed.records[0].body in bodies) is is_there
        assert len(bodies) == done + is_there

    async def test_an_entry_that_failed_is_done_once_when_it_comes_again(
        self, journal: Journal, breakage: Breakage
    ) -> None:
        await breakage.begin()
        done, failed = await _commit_until_it_fails(journal)
        await breakage.end()
        await _heals(journal)
        was_there = await journal.load(f"key/{done}") is not None
        # What had happened all the same is known by its sequence, or by the ids of its records.
        (answer,) = await journal.commit([failed])
        assert isinstance(answer, Committed) or was_there
        assert len(await journal.history(f"key/{done}")) == 1
        bodies = [found.body for found in await journal.ledger(0, 500)]
        assert bodies.count(failed.records[0].body) == 1

    async def test_reads_tell_the_truth_or_nothing(
        self, journal: Journal, breakage: Breakage
    ) -> None:
        await journal.commit([change("key/a", 0, records=(record(),), material=(put("a", 1),))])
        truth = await journal.load("key/a")
        await breakage.begin()
        await _commit_until_it_fails(journal)
        try:
            assert await journal.load("key/a") == truth
            assert await journal.material(KeyId("a"), 1) == put("a", 1).material
            assert (await journal.ledger(0, 1))[0].position == 1
        except UnavailableError:
            pass
        await breakage.end()
        await _heals(journal)
        assert await journal.load("key/a") == truth

    async def test_nothing_acknowledged_is_lost_or_done_twice_over_several_breaks(
        self, journal: Journal, breakage: Breakage
    ) -> None:
        acknowledged: list[bytes] = []
        enough = asyncio.Event()
        writers = (_write(journal, n, acknowledged, enough) for n in range(_STREAMS))
        writing = [asyncio.create_task(writer) for writer in writers]
        for _ in range(3):
            await asyncio.sleep(0.1)
            await breakage.begin()
            await asyncio.sleep(0.2)
            await breakage.end()
            await _heals(journal)
        # Not cancelled: a commit that nobody waits for may still land between two reads below.
        enough.set()
        await asyncio.gather(*writing)
        ledger = await _whole_ledger(journal)
        assert [position for position, _ in ledger] == list(range(1, len(ledger) + 1))
        bodies = [body for _, body in ledger]
        assert len(set(bodies)) == len(bodies)
        assert set(acknowledged) <= set(bodies)
        assert len(acknowledged) >= 3
        for number in range(_STREAMS):
            stored = await journal.load(f"key/s{number}")
            assert len(await journal.history(f"key/s{number}")) == (
                stored.sequence if stored else 0
            )


async def _commit_until_it_fails(journal: Journal) -> tuple[int, Entry]:
    """Commit until the store fails; return how many were acknowledged, and the one that failed."""
    for number in range(_ATTEMPTS):
        entry = change(f"key/{number}", 0, records=(record(_BIG),), material=(put(str(number), 1),))
        try:
            await journal.commit([entry])
        except UnavailableError:
            return number, entry
    raise AssertionError("the breakage broke nothing")


async def _parts(journal: Journal, number: int) -> tuple[int, bool]:
    events = await journal.history(f"key/{number}")
    return len(events), await journal.material(KeyId(str(number)), 1) is not None


async def _heals(journal: Journal) -> None:
    """Wait until it commits again and says that it is well."""
    until = asyncio.get_running_loop().time() + HEAL_SECONDS
    while True:
        try:
            if (await journal.check()).status is Status.OK:
                answer: Sequence[Committed | Conflict] = await journal.commit([use()])
                assert answer == [Committed()]
                return
        except UnavailableError:
            pass
        assert asyncio.get_running_loop().time() < until, "it does not heal"
        await asyncio.sleep(0.02)


async def _write(
    journal: Journal, number: int, acknowledged: list[bytes], enough: asyncio.Event
) -> None:
    """Append to a stream as fast as it goes, as a caller does who reads again after a failure."""
    while not enough.is_set():
        try:
            stored = await journal.load(f"key/s{number}")
            at = stored.sequence if stored else 0
            entry = change(f"key/s{number}", at, records=(record(_BIG),))
            (answer,) = await journal.commit([entry])
            if isinstance(answer, Committed):
                acknowledged.append(entry.records[0].body)
        except UnavailableError:
            await asyncio.sleep(0.01)


async def _whole_ledger(journal: Journal) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    while part := await journal.ledger(len(found), 500):
        found.extend((each.position, each.body) for each in part)
    return found
