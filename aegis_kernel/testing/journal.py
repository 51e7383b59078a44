"""The laws of every journal."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings

from aegis_kernel.domain.key import KeyId
from aegis_kernel.spi.journal import Attributes, Journal, Lease, Query
from aegis_kernel.spi.provider import Status
from aegis_kernel.testing.doubles import ManualClock
from aegis_kernel.testing.journal_commits import CommitLaws
from aegis_kernel.testing.journal_contents import LedgerLaws, MaterialLaws, StreamLaws
from aegis_kernel.testing.journal_entries import change, put, record, use, verdicts
from aegis_kernel.testing.journal_idempotency import IdempotencyLaws, claiming, row
from aegis_kernel.testing.journal_model import BATCHES, Model, Step, is_right
from aegis_kernel.testing.journal_search import SearchLaws

Reopen = Callable[[], Awaitable[Journal]]

_RED = Query(prefix="key/", tag=("team", "red"))
# Each example uses a prefix of its own, so a shared store and several subclasses do no harm.
_MODEL = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


class JournalConformance(
    StreamLaws, CommitLaws, LedgerLaws, MaterialLaws, SearchLaws, IdempotencyLaws
):
    """Override `journal`, and `reopen` where anything survives; run pytest-asyncio in auto mode."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The clock that the journal is built with."""
        return ManualClock()

    @pytest.fixture
    async def journal(self, clock: ManualClock) -> Journal:
        """An opened journal with an empty store; close it afterwards."""
        raise NotImplementedError("override the fixture `journal`")

    @pytest.fixture
    def reopen(self, journal: Journal) -> Reopen | None:
        """A function that closes the journal and opens its store again; None if nothing survives."""
        raise NotImplementedError("override the fixture `reopen`")

    async def test_it_is_healthy_once_opened_and_says_what_it_is(self, journal: Journal) -> None:
        assert (await journal.check()).status is Status.OK
        assert "journal" in journal.description

    async def test_a_cursor_moves_forward_and_never_back(self, journal: Journal) -> None:
        lease = await self._take(journal)
        assert await journal.cursor("sink") == 0
        assert await journal.advance("sink", 7, lease)
        assert await journal.cursor("sink") == 7
        await journal.advance("sink", 3, lease)
        assert await journal.cursor("sink") == 7
        assert await journal.cursor("another") == 0

    async def test_only_the_newest_lease_moves_a_cursor(self, journal: Journal) -> None:
        lease = await self._take(journal)
        await journal.advance("sink", 7, lease)
        for other in (
            Lease(lease.name, lease.epoch - 1),
            Lease(lease.name, lease.epoch + 1),
            Lease("never taken", lease.epoch),
        ):
            assert not await journal.advance("sink", 9, other)
        assert await journal.cursor("sink") == 7

    async def test_a_lease_that_is_kept_keeps_its_epoch(self, journal: Journal) -> None:
        assert await self._take(journal) == await self._take(journal)

    async def _take(self, journal: Journal) -> Lease:
        lease = await journal.lease("delivery")
        assert lease is not None
        return lease

    async def test_everything_survives_a_reopening(
        self, journal: Journal, reopen: Reopen | None, clock: ManualClock
    ) -> None:
        if reopen is None:
            pytest.skip("nothing survives this journal")
        has = Attributes(state="Active", tags={"team": "red"})
        entry = change("key/a", 0, attributes=has, records=(record(),), material=(put("a", 1),))
        kept = row("a", clock)
        await journal.commit([claiming(entry, kept)])
        lease = await self._take(journal)
        await journal.advance("sink", 1, lease)
        before = (await journal.load("key/a"), await journal.ledger(0, 9), await journal.find(_RED))
        journal = await reopen()
        after = (await journal.load("key/a"), await journal.ledger(0, 9), await journal.find(_RED))
        assert after == before
        assert list(await journal.history("key/a")) == [b"event 1"]
        assert await journal.material(KeyId("a"), 1) == put("a", 1).material
        assert await journal.replay("a") == kept
        assert (await journal.head(), await journal.cursor("sink")) == (1, 1)
        assert verdicts(await journal.commit([use(record(), key_a=1)])) == ["committed"]
        assert [found.position for found in await journal.ledger(0, 9)] == [1, 2]

    async def test_a_lease_from_before_a_reopening_is_over(
        self, journal: Journal, reopen: Reopen | None
    ) -> None:
        if reopen is None:
            pytest.skip("nothing survives this journal")
        old = await self._take(journal)
        journal = await reopen()
        new = await self._take(journal)
        assert new.epoch > old.epoch
        assert not await journal.advance("sink", 5, old)
        assert await journal.cursor("sink") == 0
        assert await journal.advance("sink", 5, new)

    @_MODEL
    @given(batches=BATCHES)
    async def test_it_does_what_the_model_does(
        self, journal: Journal, batches: list[list[Step]]
    ) -> None:
        model = Model(f"key/{uuid.uuid4()}/", await journal.head())
        for steps in batches:
            entries, failures = model.apply(steps)
            answer = await journal.commit(entries)
            assert len(answer) == len(entries)
            for verdict, failed_by in zip(answer, failures, strict=True):
                assert is_right(verdict, failed_by), (verdict, failed_by)
            await model.compare(journal)
