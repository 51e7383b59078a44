"""The laws of commits: what wins, what it leaves behind, and that losers leave nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from aegis_kernel.domain.key import KeyId
from aegis_kernel.spi.journal import Committed, DeleteMaterial, Entry, Journal, Query
from aegis_kernel.testing.journal_entries import change, put, record, use, verdicts


class CommitLaws:
    """Which entries of a batch win, in which order."""

    @pytest.mark.parametrize(("expected", "holds"), [(0, False), (1, False), (2, True), (3, False)])
    async def test_a_use_commits_only_where_its_stream_still_stands(
        self, journal: Journal, expected: int, holds: bool
    ) -> None:
        await journal.commit([change("key/a", 0, b"one", b"two")])
        answer = await journal.commit([use(record(), key_a=expected)])
        assert verdicts(answer) == ["committed" if holds else "key/a"]
        assert await journal.head() == int(holds)

    @pytest.mark.parametrize("expected", [0, 1])
    async def test_a_stream_that_does_not_exist_stands_at_zero(
        self, journal: Journal, expected: int
    ) -> None:
        answer = await journal.commit([use(record(), key_a=expected)])
        assert verdicts(answer) == [["committed", "key/a"][expected]]

    async def test_every_stream_an_entry_expects_must_hold(self, journal: Journal) -> None:
        await journal.commit([change("key/a", 0), change("key/b", 0)])
        assert verdicts(await journal.commit([use(record(), key_a=1, key_b=1)])) == ["committed"]
        assert verdicts(await journal.commit([use(record(), key_a=1, key_b=0)])) == ["key/b"]

    async def test_an_entry_that_expects_nothing_commits(self, journal: Journal) -> None:
        assert verdicts(await journal.commit([use(record()), use()])) == ["committed"] * 2
        assert await journal.head() == 1

    async def test_no_entries_have_no_verdicts(self, journal: Journal) -> None:
        assert list(await journal.commit([])) == []

    async def test_a_loser_leaves_the_rest_of_its_batch_alone(self, journal: Journal) -> None:
        await journal.commit([change("key/a", 0)])
        first, last = record("first"), record("last")
        batch = [use(first, key_a=1), use(record("lost"), key_a=7), use(last, key_a=1)]
        assert verdicts(await journal.commit(batch)) == ["committed", "key/a", "committed"]
        bodies = [stored.body for stored in await journal.ledger(0, 10)]
        assert bodies == [first.body, last.body]

    async def test_two_entries_that_disagree_cannot_both_win(self, journal: Journal) -> None:
        answer = await journal.commit([use(record(), key_a=1), use(record(), key_a=0)])
        assert verdicts(answer) == ["key/a", "committed"]

    async def test_nothing_of_a_loser_happens(self, journal: Journal) -> None:
        loser = Entry(
            expects={"key/a": 0, "key/b": 0, "key/gone": 3},
            appends=(*change("key/a", 0).appends, *change("key/b", 0).appends),
            material=(put("a", 1),),
            records=(record(),),
        )
        assert verdicts(await journal.commit([loser])) == ["key/gone"]
        assert await journal.load("key/a") is None
        assert list(await journal.history("key/b")) == []
        assert await journal.material(KeyId("a"), 1) is None
        assert await journal.head() == 0
        assert (await journal.find(Query(prefix="key/"))).items == ()

    async def test_a_loser_deletes_nothing(self, journal: Journal) -> None:
        await journal.commit([change("key/a", 0, material=(put("a", 1),))])
        stale = change("key/a", 0, material=(DeleteMaterial(KeyId("a")),))
        assert verdicts(await journal.commit([stale])) == ["key/a"]
        assert await journal.material(KeyId("a"), 1) is not None

    async def test_the_second_of_two_equal_appends_loses(self, journal: Journal) -> None:
        answer = await journal.commit([change("key/a", 0, b"mine"), change("key/a", 0, b"yours")])
        assert verdicts(answer) == ["committed", "key/a"]
        assert list(await journal.history("key/a")) == [b"mine"]

    async def test_an_append_may_follow_the_append_of_an_earlier_winner(
        self, journal: Journal
    ) -> None:
        answer = await journal.commit([change("key/a", 0, b"1"), change("key/a", 1, b"2")])
        assert verdicts(answer) == ["committed", "committed"]
        assert list(await journal.history("key/a")) == [b"1", b"2"]

    async def test_a_use_after_an_append_in_the_same_batch_loses(self, journal: Journal) -> None:
        await journal.commit([change("key/a", 0)])
        answer = await journal.commit([change("key/a", 1), use(record(), key_a=1)])
        assert verdicts(answer) == ["committed", "key/a"]
        assert await journal.head() == 0

    async def test_uses_before_an_append_in_the_same_batch_win(self, journal: Journal) -> None:
        await journal.commit([change("key/a", 0)])
        batch = [use(record(), key_a=1), use(record(), key_a=1), change("key/a", 1)]
        assert verdicts(await journal.commit(batch)) == ["committed"] * 3
        assert await journal.head() == 2

    async def test_the_append_of_a_loser_moves_nothing(self, journal: Journal) -> None:
        batch = [change("key/a", 5), change("key/a", 0, b"first")]
        assert verdicts(await journal.commit(batch)) == ["key/a", "committed"]

    async def test_rivals_for_one_stream_have_one_winner_a_sequence(self, journal: Journal) -> None:
        lock = asyncio.Lock()

        async def compete(sequence: int, rival: int) -> bool:
            entry = change("key/a", sequence, f"{sequence} by {rival}".encode())
            async with lock:
                (verdict,) = await journal.commit([entry])
            return isinstance(verdict, Committed)

        for sequence in range(20):
            won = await asyncio.gather(*(compete(sequence, rival) for rival in range(10)))
            assert sum(won) == 1
        assert len(await journal.history("key/a")) == 20

    async def test_a_large_batch_is_one_commit(self, journal: Journal) -> None:
        creations = [
            change(f"key/{n}", 0, records=(record(),), material=(put(f"{n}", 1),))
            for n in range(300)
        ]
        assert verdicts(await journal.commit(creations)) == ["committed"] * 300
        uses = [Entry(expects={f"key/{n}": 1}, records=(record(),)) for n in range(300)]
        assert verdicts(await journal.commit(uses)) == ["committed"] * 300
        assert await journal.head() == 600

    async def test_a_caller_that_gives_up_leaves_all_of_its_batch_or_nothing(
        self, journal: Journal
    ) -> None:
        entries = [change(stream, 0, records=(record(),)) for stream in ("key/a", "key/b")]
        given_up = asyncio.create_task(_commit(journal, entries))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        assert verdicts(await journal.commit([change("key/c", 0)])) == ["committed"]
        stored = [await journal.load("key/a") is not None, await journal.load("key/b") is not None]
        assert stored in ([True, True], [False, False])
        assert len(await journal.ledger(0, 9)) == sum(stored)


async def _commit(journal: Journal, entries: Sequence[Entry]) -> None:
    await journal.commit(entries)
