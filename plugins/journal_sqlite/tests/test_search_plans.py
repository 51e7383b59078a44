"""Every search walks one index in order, so that a page costs the same at a million streams."""

from __future__ import annotations

import sqlite3

import pytest
from aegis_journal_sqlite import search
from aegis_journal_sqlite.writer import Writer

from aegis_kernel import Query

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
    sql, parameters = search._statement(query, 0, 50)
    plan = " · ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters))
    assert index in plan
    assert "SCAN streams" not in plan
    assert ("TEMP B-TREE" in plan) is query.due
