"""Every search walks one index in order and stops, so that a page costs the same at a million streams."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from aegis_journal_postgres import PostgresJournal, search
from aegis_journal_postgres.drivers import candidates
from msgspec.structs import replace

from aegis_kernel import Attributes, Page, Query
from aegis_kernel.testing.journal_entries import change

QUERIES = {
    "all": (Query(prefix="key/"), "streams_by_family"),
    "state": (Query(prefix="key/", state="Active"), "streams_by_state"),
    "name": (Query(prefix="key/", name="n0"), "streams_by_name"),
    "algorithm": (Query(prefix="key/", algorithm="AES"), "streams_by_algorithm"),
    "owner": (Query(prefix="key/", owner="ann"), "streams_by_owner"),
    "tag": (Query(prefix="key/", tag=("t", None)), "stream_tags_by_key"),
    "tag value": (Query(prefix="key/", tag=("t", "1")), "stream_tags_by_value"),
    "no family": (Query(prefix="k"), "streams_pkey"),
    "due": (Query(prefix="key/", due=True), "streams_by_due"),
}

_MANY = """
INSERT INTO aegis.streams (id, stream, sequence, state, name, algorithm, owner, due_at, snapshot)
SELECT n, 'key/' || n, 1, 'Active', 'n' || n % 7, 'AES', 'ann', n, '' FROM generate_series(1, 30000) n;
INSERT INTO aegis.stream_tags SELECT n, 't', '1' FROM generate_series(1, 30000) n;
"""


async def test_a_search_walks_its_index_and_sorts_only_what_is_due(
    journal: PostgresJournal, postgres: str
) -> None:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(_MANY)
        connection.execute("VACUUM ANALYZE aegis.streams, aegis.stream_tags")
        for query, index in QUERIES.values():
            statement, parameters = statement_of(query)
            rows = connection.execute(f"EXPLAIN {statement}".encode(), parameters)
            plan = "\n".join(row[0] for row in rows)
            assert f"using {index} " in plan, plan
            assert "Seq Scan" not in plan, plan
            assert ("Sort Key" in plan) is query.due, plan


def statement_of(query: Query) -> tuple[str, list[Any]]:
    if query.due:
        return search.due_statement(query, 2**50, 51)
    (driver,) = candidates(query)
    return search.statement(query, driver, 51)


@pytest.fixture
async def crowd(journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch) -> PostgresJournal:
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


async def test_the_rarest_condition_drives(crowd: PostgresJournal) -> None:
    query = Query(prefix="key/", owner="bob", name="rare", state="Active")
    page = await crowd.find(query)
    assert ([found.stored.stream for found in page.items], page.more) == (["key/201"], False)


async def test_a_page_looks_at_a_bounded_number_of_streams_and_says_how_far(
    crowd: PostgresJournal,
) -> None:
    query = Query(prefix="key/", state="Active", algorithm="none of them")
    assert await crowd.find(query) == Page((), more=False)
    query = Query(prefix="key/", algorithm="RSA", owner="ann", limit=500)
    page = await crowd.find(query)
    assert (len(page.items), page.more, page.reached) == (20, True, 39)
    seen = len(page.items)
    while page.more:
        page = await crowd.find(replace(query, after=page.last))
        seen += len(page.items)
    assert seen == 100


async def test_of_many_that_are_due_those_that_waited_longest_are_found(
    journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_EXAMINED", 3)
    base = datetime(2001, 1, 1, tzinfo=UTC)
    due = [Attributes(due_at=base + timedelta(days=day)) for day in (5, 1, 4, 2, 3)]
    await journal.commit([change(f"key/{n}", 0, attributes=has) for n, has in enumerate(due)])
    page = await journal.find(Query(prefix="key/", due=True))
    assert [found.stored.stream for found in page.items] == ["key/1", "key/3", "key/4"]
