"""`find` walks one index in the order of creation, and not far: a page costs the same in any store."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from aegis_journal_sqlite.drivers import Condition, Driver, choose, clauses, family_of, values
from aegis_kernel import Found, Page, Query, Stored

_MAXIMUM_PAGE = 500
# So many candidates of the index are looked at for one page.
_EXAMINED = 10_000

# One row with everything: each further row would be another step. Hex, because snapshots are any
# bytes and JSON is text.
_FIND = """
SELECT json_group_array(json_array(id, stream, sequence, hex(snapshot))) FROM (
    SELECT streams.id, streams.stream, streams.sequence, streams.snapshot
    FROM {source} WHERE {position} > ?{conditions} ORDER BY {position} LIMIT ?)"""

_REACH = """
SELECT {position} FROM {source} WHERE {position} > ?{conditions}
ORDER BY {position} LIMIT 1 OFFSET ?"""

_OF_TAGS = " CROSS JOIN streams ON streams.id = stream_tags.stream_id"

# The index of what is due is in the order of time, so the longest due are taken and then sorted.
_DUE = """(
    SELECT id FROM streams INDEXED BY streams_by_due
    WHERE family = ? AND due_at <= ? ORDER BY due_at LIMIT ?
) AS due CROSS JOIN streams ON streams.id = due.id"""
_DUE_ANYWHERE = """(
    SELECT id FROM streams NOT INDEXED WHERE due_at <= ? ORDER BY due_at LIMIT ?
) AS due CROSS JOIN streams ON streams.id = due.id"""


def find(connection: sqlite3.Connection, query: Query, now: int) -> Page:
    """Return the page; `now` is in microseconds since the Unix epoch."""
    limit = min(query.limit, _MAXIMUM_PAGE)
    reach = None
    if query.due:
        statement = _due_statement(query, now, limit + 1)
    else:
        driver = choose(connection, query)
        others = _others(query, driver)
        # First how far, then what: so nothing that changes in between falls into a gap.
        reach = _reach(connection, query, driver) if others else None
        statement = _statement(query, driver, others, reach, limit + 1)
    found = _fetch(connection, *statement)
    if len(found) > limit:
        return Page(tuple(found[:limit]), more=True)
    return Page(tuple(found), more=reach is not None, reached=reach)


def _fetch(connection: sqlite3.Connection, sql: str, parameters: list[Any]) -> list[Found]:
    (rows,) = connection.execute(sql, parameters).fetchone()
    return [
        Found(position, Stored(stream, sequence, bytes.fromhex(snapshot)))
        for position, stream, sequence, snapshot in sorted(json.loads(rows))
    ]


def _reach(connection: sqlite3.Connection, query: Query, driver: Driver) -> int | None:
    """Return the position at which this page stops looking, None where the index ends before."""
    sql = _REACH.format(
        source=driver.source, position=driver.position, conditions=clauses(driver.answers)
    )
    row = connection.execute(sql, [query.after, *values(driver.answers), _EXAMINED - 1]).fetchone()
    return int(row[0]) if row else None


def _statement(
    query: Query, driver: Driver, others: list[Condition], reach: int | None, rows: int
) -> tuple[str, list[Any]]:
    bounds = [] if reach is None else [(f"{driver.position} <= ?", (reach,))]
    conditions = [*driver.answers, *bounds, *others]
    sql = _FIND.format(
        source=driver.source + (_OF_TAGS if driver.is_of_tags else ""),
        position=driver.position,
        conditions=clauses(conditions),
    )
    return sql, [query.after, *values(conditions), rows]


def _due_statement(query: Query, now: int, rows: int) -> tuple[str, list[Any]]:
    family = family_of(query)
    conditions = _stream_conditions(query)
    sql = _FIND.format(
        source=_DUE if family else _DUE_ANYWHERE,
        position="due.id",
        conditions=clauses(conditions),
    )
    bound = [family, now, _EXAMINED] if family else [now, _EXAMINED]
    return sql, [*bound, query.after, *values(conditions), rows]


def _others(query: Query, driver: Driver) -> list[Condition]:
    """Return the conditions that the driver's index does not answer."""
    return [each for each in _stream_conditions(query, driver) if each not in driver.answers]


def _stream_conditions(query: Query, driver: Driver | None = None) -> list[Condition]:
    family = family_of(query)
    asked: list[tuple[bool, str, Any]] = [
        (bool(family), "streams.family = ?", family),
        (query.prefix != family, "instr(streams.stream, ?) = 1", query.prefix),
        (query.name is not None, "streams.name = ?", query.name),
        (query.owner is not None, "streams.owner = ?", query.owner),
        (query.state is not None, "streams.state = ?", query.state),
        (query.algorithm is not None, "streams.algorithm = ?", query.algorithm),
    ]
    conditions = [(clause, (value,)) for is_asked, clause, value in asked if is_asked]
    if query.tag is None or (driver is not None and driver.is_of_tags):
        return conditions
    return [*conditions, _tag_condition(*query.tag)]


def _tag_condition(key: str, value: str | None) -> Condition:
    found = "SELECT 1 FROM stream_tags WHERE stream_id = streams.id AND key = ?"
    if value is None:
        return (f"EXISTS ({found})", (key,))
    return (f"EXISTS ({found} AND value = ?)", (key, value))
