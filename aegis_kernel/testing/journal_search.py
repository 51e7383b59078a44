"""The laws of search: what `find` selects, and in which pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from aegis_kernel.spi.journal import Attributes, Journal, Page, Query
from aegis_kernel.testing.doubles import ManualClock
from aegis_kernel.testing.journal_entries import change, verdicts


class SearchLaws:
    """Conditions, pages, and the clock that says what is due."""

    async def test_each_condition_selects_and_all_must_hold(
        self, journal: Journal, clock: ManualClock
    ) -> None:
        await _populate(journal, clock)
        found = {
            "all": await _names(journal, Query(prefix="key/")),
            "state": await _names(journal, Query(prefix="key/", state="Active")),
            "name": await _names(journal, Query(prefix="key/", name="payments")),
            "algorithm": await _names(journal, Query(prefix="key/", algorithm="RSA")),
            "owner": await _names(journal, Query(prefix="key/", owner="ann")),
            "tag": await _names(journal, Query(prefix="key/", tag=("team", None))),
            "tag value": await _names(journal, Query(prefix="key/", tag=("team", "red"))),
            "due": await _names(journal, Query(prefix="key/", due=True)),
            "both": await _names(journal, Query(prefix="key/", state="Active", name="payments")),
            "other family": await _names(journal, Query(prefix="agent/", state="Active")),
            "longer prefix": await _names(journal, Query(prefix="key/b")),
            "shorter prefix": await _names(journal, Query(prefix="k")),
            "every": await _names(journal, Query(prefix="")),
        }
        assert found == {
            "all": ["key/a", "key/b", "key/c"],
            "state": ["key/a", "key/c"],
            "name": ["key/a", "key/b"],
            "algorithm": ["key/b", "key/c"],
            "owner": ["key/a", "key/c"],
            "tag": ["key/a", "key/b"],
            "tag value": ["key/b"],
            "due": ["key/c"],
            "both": ["key/a"],
            "other family": ["agent/x"],
            "longer prefix": ["key/b"],
            "shorter prefix": ["key/a", "key/b", "key/c"],
            "every": ["key/a", "agent/x", "key/b", "key/c"],
        }

    async def test_conditions_combine_in_every_pair(
        self, journal: Journal, clock: ManualClock
    ) -> None:
        await _populate(journal, clock)
        matches = {
            "state": ("Active", {"key/a", "key/c"}),
            "name": ("payments", {"key/a", "key/b"}),
            "algorithm": ("RSA", {"key/b", "key/c"}),
            "owner": ("ann", {"key/a", "key/c"}),
            "tag": (("team", None), {"key/a", "key/b"}),
            "due": (True, {"key/c"}),
        }
        for one, (value, first) in matches.items():
            for other, (second_value, second) in matches.items():
                query = Query(prefix="key/", **{one: value, other: second_value})  # type: ignore[arg-type]
                assert set(await _names(journal, query)) == first & second, (one, other)

    async def test_an_append_replaces_what_search_knows(
        self, journal: Journal, clock: ManualClock
    ) -> None:
        await _populate(journal, clock)
        now = Attributes(state="Destroyed", tags={"team": "red", "new": "1"})
        await journal.commit([change("key/a", 1, attributes=now)])
        assert await _names(journal, Query(prefix="key/", state="Active")) == ["key/c"]
        assert await _names(journal, Query(prefix="key/", name="payments")) == ["key/b"]
        assert await _names(journal, Query(prefix="key/", tag=("team", "blue"))) == []
        assert await _names(journal, Query(prefix="key/", tag=("team", "red"))) == [
            "key/a",
            "key/b",
        ]
        assert await _names(journal, Query(prefix="key/", tag=("new", None))) == ["key/a"]
        await journal.commit([change("key/a", 2)])
        assert await _names(journal, Query(prefix="key/", tag=("new", None))) == []

    async def test_a_stream_becomes_due_when_the_clock_reaches_it(
        self, journal: Journal, clock: ManualClock
    ) -> None:
        at = datetime.fromtimestamp(clock.time(), UTC) + timedelta(seconds=60)
        await journal.commit([change("key/a", 0, attributes=Attributes(due_at=at))])
        due = Query(prefix="key/", due=True)
        assert await _names(journal, due) == []
        clock.advance(59.9)
        assert await _names(journal, due) == []
        clock.advance(0.2)
        assert await _names(journal, due) == ["key/a"]
        await journal.commit([change("key/a", 1)])
        assert await _names(journal, due) == []

    @pytest.mark.parametrize(
        "conditions",
        [
            Query(prefix="key/"),
            Query(prefix="key/", state="Active"),
            Query(prefix="key/", name="n"),
            Query(prefix="key/", algorithm="AES"),
            Query(prefix="key/", owner="ann"),
            Query(prefix="key/", tag=("t", None)),
            Query(prefix="key/", tag=("t", "1")),
            Query(prefix="key/", due=True),
        ],
        ids=["all", "state", "name", "algorithm", "owner", "tag", "tag value", "due"],
    )
    async def test_pages_have_no_gap_and_no_repeat_while_streams_are_added(
        self, journal: Journal, clock: ManualClock, conditions: Query
    ) -> None:
        due_at = datetime.fromtimestamp(clock.time(), UTC)
        has = Attributes(
            state="Active",
            name="n",
            algorithm="AES",
            owner="ann",
            tags={"t": "1", "u": "2"},
            due_at=due_at,
        )
        await journal.commit([change(f"key/{n}", 0, attributes=has) for n in range(10, 0, -1)])
        seen: list[str] = []
        position, more, added = 0, True, 0
        while more:
            page = await journal.find(_page_of(conditions, position, limit=4))
            seen += [item.stored.stream for item in page.items]
            position, more = page.items[-1].position, page.more
            assert len(page.items) == 4 or not more
            if more and added < 3:
                added += 1
                await journal.commit([change(f"key/late-{added}", 0, attributes=has)])
        late = [f"key/late-{n}" for n in range(1, added + 1)]
        assert seen == [f"key/{n}" for n in range(10, 0, -1)] + late

    async def test_a_page_that_ends_with_the_last_match_has_no_more(self, journal: Journal) -> None:
        await journal.commit([change(f"key/{n}", 0) for n in range(4)])
        assert not (await journal.find(Query(prefix="key/", limit=4))).more
        assert (await journal.find(Query(prefix="key/", limit=3))).more
        assert await journal.find(Query(prefix="agent/")) == Page((), more=False)

    async def test_a_page_has_at_most_500_streams(self, journal: Journal) -> None:
        await journal.commit([change(f"key/{n}", 0) for n in range(502)])
        page = await journal.find(Query(prefix="key/", limit=10_000))
        assert len(page.items) == 500
        assert page.more


async def _populate(journal: Journal, clock: ManualClock) -> None:
    past = datetime.fromtimestamp(clock.time(), UTC) - timedelta(seconds=1)
    streams = {
        "key/a": Attributes(
            state="Active", name="payments", algorithm="AES", owner="ann", tags={"team": "blue"}
        ),
        "agent/x": Attributes(state="Active", name="payments", owner="ann", due_at=past),
        "key/b": Attributes(
            state="PreActive",
            name="payments",
            algorithm="RSA",
            owner="bob",
            tags={"team": "red", "x": "y"},
        ),
        "key/c": Attributes(state="Active", name="mail", algorithm="RSA", owner="ann", due_at=past),
    }
    entries = [change(name, 0, attributes=has) for name, has in streams.items()]
    assert verdicts(await journal.commit(entries)) == ["committed"] * len(entries)


async def _names(journal: Journal, query: Query) -> list[str]:
    page = await journal.find(query)
    assert not page.more
    positions = [item.position for item in page.items]
    assert positions == sorted(set(positions))
    return [item.stored.stream for item in page.items]


def _page_of(query: Query, after: int, limit: int) -> Query:
    return replace(query, after=after, limit=limit)
