"""The laws of idempotency rows: one good row a scope, kept with the effect, gone when it expires."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from aegis_kernel.spi.journal import Entry, IdempotencyRow, Journal
from aegis_kernel.testing.doubles import ManualClock
from aegis_kernel.testing.journal_entries import change, record, use, verdicts

DAY = timedelta(hours=24)


def row(scope: str, clock: ManualClock, response: bytes = b'{"answer":1}') -> IdempotencyRow:
    """A row that is good for a day."""
    expires = datetime.fromtimestamp(round(clock.time()), UTC) + DAY
    return IdempotencyRow(scope=scope, digest=b"\x00\xff", response=response, expires_at=expires)


def claiming(entry: Entry, claimed: IdempotencyRow) -> Entry:
    """The entry, with that row."""
    return replace(entry, idempotency=claimed)


class IdempotencyLaws:
    """A scope is taken once, by what commits, until its row expires."""

    async def test_a_row_is_kept_with_its_entry_byte_for_byte(
        self, journal: Journal, clock: ManualClock
    ) -> None:
        assert await journal.replay("a") is None
        kept = row("a", clock, response=b"\xff\x00 any bytes")
        entry = claiming(change("key/a", 0, records=(record(),)), kept)
        assert verdicts(await journal.commit([entry])) == ["committed"]
        assert await journal.replay("a") == kept
        assert await journal.replay("b") is None

    async def test_a_taken_scope_conflicts_and_nothing_of_the_entry_happens(
        self, journal: Journal, clock: ManualClock
    ) -> None:
        first, second = row("a", clock, b"first"), row("a", clock, b"second")
        await journal.commit([claiming(change("key/a", 0), first)])
        late = claiming(change("key/b", 0, records=(record(),)), second)
        other = use(record())
        assert verdicts(await journal.commit([late, other])) == ["idempotency/a", "committed"]
        assert await journal.load("key/b") is None
        assert await journal.head() == 1
        assert await journal.replay("a") == first

    async def test_of_equal_scopes_in_one_batch_the_first_winner_takes_it(
        self, journal: Journal, clock: ManualClock
    ) -> None:
        first, second = row("a", clock, b"first"), row("a", clock, b"second")
        batch = [
            claiming(change("key/stale", 7), row("a", clock, b"of a loser")),
            claiming(change("key/a", 0), first),
            claiming(change("key/b", 0), second),
            claiming(change("key/c", 0), row("c", clock)),
        ]
        answer = verdicts(await journal.commit(batch))
        assert answer == ["key/stale", "committed", "idempotency/a", "committed"]
        assert await journal.replay("a") == first
        assert await journal.load("key/b") is None

    async def test_a_moved_stream_keeps_the_row_out(
        self, journal: Journal, clock: ManualClock
    ) -> None:
        await journal.commit([change("key/a", 0)])
        stale = claiming(change("key/a", 0), row("a", clock))
        assert verdicts(await journal.commit([stale])) == ["key/a"]
        assert await journal.replay("a") is None

    async def test_an_expired_row_is_as_good_as_absent(
        self, journal: Journal, clock: ManualClock
    ) -> None:
        await journal.commit([claiming(change("key/a", 0), row("a", clock))])
        clock.advance(DAY.total_seconds() - 2)
        assert await journal.replay("a") is not None
        clock.advance(3)
        assert await journal.replay("a") is None
        again = row("a", clock, b"again")
        entry = claiming(change("key/a", 1), again)
        assert verdicts(await journal.commit([entry])) == ["committed"]
        assert await journal.replay("a") == again

    async def test_many_rows_expire_without_harm_to_the_good_ones(
        self, journal: Journal, clock: ManualClock
    ) -> None:
        old = [claiming(change(f"key/{n}", 0), row(f"old {n}", clock)) for n in range(150)]
        assert verdicts(await journal.commit(old)) == ["committed"] * 150
        clock.advance(DAY.total_seconds() / 2)
        good = row("good", clock)
        await journal.commit([claiming(change("key/good", 0), good)])
        clock.advance(DAY.total_seconds() / 2 + 1)
        for n in range(4):
            await journal.commit([claiming(change(f"key/new {n}", 0), row(f"new {n}", clock))])
        assert await journal.replay("good") == good
        assert [await journal.replay(f"old {n}") for n in range(150)] == [None] * 150
