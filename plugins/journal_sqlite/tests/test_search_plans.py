"""Every search walks one index in order and stops, so that a page costs the same at a million streams."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from aegis_journal_sqlite import SqliteJournal, search
from aegis_journal_sqlite.writer import Writer
from msgspec.structs import replace

from aegis_kernel import Attributes, Page, Query
from aegis_kernel.testing.journal_entries import change

QUERIES = {
    "all": (Query(prefix="key/"), "streams_by_family (family=? AND rowid>?)"),
    "state": (
        Query(prefix="key/", state="Active"),
        "streams_by_state (family=? AND state=? AND rowid>?)",
    ),
    "name": (
        Query(prefix="key/", name="n", state="Active"),
        "streams_by_name (family=? AND name=? AND rowid>?)",
    ),
    "algorithm": (
        Query(prefix="key/", algorithm="AES"),
        "streams_by_algorithm (family=? AND algorithm=? AND rowid>?)",
    ),
    "owner": (
        Query(prefix="key/", owner="ann"),
        "streams_by_owner (family=? AND owner=? AND rowid>?)",
    ),
    "tag": (
        Query(prefix="key/", tag=("t", None), state="Active"),
        "stream_tags_by_key (key=? AND stream_id>?)",
    ),
    "tag value": (
        Query(prefix="key/", tag=("t", "1")),
        "stream_tags_by_value (key=? AND value=? AND stream_id>?)",
    ),
    "due": (
        Query(prefix="key/", due=True, state="Active"),
        "streams_by_due (family=? AND due_at<?)",
    ),
    "owner and state": (
        Query(prefix="key/", owner="ann", state="Active"),
        "streams_by_owner (family=? AND owner=? AND rowid>?)",
    ),
}


@pytest.fixture
def connection(file):
    writer = Writer(file)
    yield writer._connection
    writer.close()


@pytest.mark.parametrize(("query", "index"), QUERIES.values(), ids=QUERIES)
def test_a_search_walks_its_index_and_sorts_only_what_is_due(
    connection: sqlite3.Connection, query: Query, index: str
) -> None:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    search.find(connection, query, 0)
    connection.set_trace_callback(None)
    plans = [plan_of(connection, statement) for statement in statements]
    assert index in plans[-1]
    assert [plan for plan in plans if "SCAN streams" in plan] == []
    assert all(("TEMP B-TREE" in plan) is query.due for plan in plans)


def plan_of(connection: sqlite3.Connection, statement: str) -> str:
    rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}")
    return " · ".join(row[3] for row in rows)


@pytest.fixture
async def crowd(journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch) -> SqliteJournal:
    """200 active keys of ann's, of which 3 are named "rare"; 2 of bob's, the last of them named so."""
    monkeypatch.setattr(search, "_EXAMINED", 20)
    rare = {50, 120, 190, 201}
    has = [
        Attributes(
            state="Active",
            owner="ann" if n < 200 else "bob",
            name="rare" if n in rare else "common",
            algorithm="AES" if n % 2 else "RSA",
        )
        for n in range(202)
    ]
    await journal.commit([change(f"key/{n}", 0, attributes=each) for n, each in enumerate(has)])
    return journal


async def test_the_rarest_condition_drives(crowd: SqliteJournal) -> None:
    query = Query(prefix="key/", owner="bob", name="rare", state="Active")
    page = await crowd.find(query)
    assert ([found.stored.stream for found in page.items], page.more) == (["key/201"], False)


async def test_a_page_looks_at_a_bounded_number_of_streams_and_says_how_far(
    crowd: SqliteJournal,
) -> None:
    query = Query(prefix="key/", state="Active", algorithm="none of them")
    assert await crowd.find(query) == Page((), more=False)
    query = Query(prefix="key/", algorithm="RSA", owner="ann", limit=500)
    page = await crowd.find(query)
    assert (len(page.items), page.more, page.last) == (20, True, 39)
    seen = len(page.items)
    while page.more:
        page = await crowd.find(replace(query, after=page.last))
        seen += len(page.items)
    assert seen == 100


async def test_of_many_that_are_due_those_that_waited_longest_are_found(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_EXAMINED", 3)
    base = datetime(2001, 1, 1, tzinfo=UTC)
    due = [Attributes(due_at=base + timedelta(days=day)) for day in (5, 1, 4, 2, 3)]
    await journal.commit([change(f"key/{n}", 0, attributes=has) for n, has in enumerate(due)])
    page = await journal.find(Query(prefix="key/", due=True))
    assert [found.stored.stream for found in page.items] == ["key/1", "key/3", "key/4"]
