"""`find` as one statement that walks one index, chosen by us.

SQLite's planner knows nothing of how the values are spread, and a wrong guess reads a million
streams. So the conditions are ranked by how much they usually exclude: the first that is asked for
drives, the others filter.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from aegis_kernel import Found, Page, Query, Stored

_MAXIMUM_PAGE = 500

# One row with everything: each further row would be another step. Hex, because snapshots are any
# bytes and JSON is text.
_FIND = """
SELECT json_group_array(json_array(id, stream, sequence, hex(snapshot))) FROM (
    SELECT streams.id, streams.stream, streams.sequence, streams.snapshot
    FROM {source} WHERE {conditions} ORDER BY {position} LIMIT ?)"""

_TAGS = "stream_tags INDEXED BY {index} CROSS JOIN streams ON streams.id = stream_tags.stream_id"

Condition = tuple[str, tuple[Any, ...]]


def find(connection: sqlite3.Connection, query: Query, now: int) -> Page:
    """Return the page; `now` is in microseconds since the Unix epoch."""
    limit = min(query.limit, _MAXIMUM_PAGE)
    (rows,) = connection.execute(*_statement(query, now, limit + 1)).fetchone()
    found = [
        Found(position, Stored(stream, sequence, bytes.fromhex(snapshot)))
        for position, stream, sequence, snapshot in sorted(json.loads(rows))
    ]
    return Page(tuple(found[:limit]), more=len(found) > limit)


def _statement(query: Query, now: int, rows: int) -> tuple[str, list[Any]]:
    driver = _driver(query)
    drives_by_tag = driver.startswith("stream_tags")
    # The driving table's own column, so that its index gives the order without a sort.
    position = "stream_tags.stream_id" if drives_by_tag else "streams.id"
    conditions = [
        (f"{position} > ?", (query.after,)),
        *_stream_conditions(query, now),
        *_tag_conditions(query, drives_by_tag),
    ]
    sql = _FIND.format(
        source=_TAGS.format(index=driver) if drives_by_tag else f"streams {driver}",
        conditions=" AND ".join(clause for clause, _ in conditions),
        position=position,
    )
    return sql, [*(value for _, values in conditions for value in values), rows]


def _driver(query: Query) -> str:
    by_value = query.tag is not None and query.tag[1] is not None
    ranked = (
        (query.due, "INDEXED BY streams_by_due"),
        (query.name is not None, "INDEXED BY streams_by_name"),
        (query.tag is not None, f"stream_tags_by_{'value' if by_value else 'key'}"),
        (query.state is not None, "INDEXED BY streams_by_state"),
        (query.algorithm is not None, "INDEXED BY streams_by_algorithm"),
        (True, "INDEXED BY streams_by_family"),
    )
    driver = next(driver for is_asked, driver in ranked if is_asked)
    # The indexes of streams lead with the family, which a prefix such as "k" does not tell.
    is_usable = _family(query) or driver.startswith("stream_tags")
    return driver if is_usable else "NOT INDEXED"


def _stream_conditions(query: Query, now: int) -> list[Condition]:
    family = _family(query)
    conditions: list[tuple[bool, str, Any]] = [
        (bool(family), "streams.family = ?", family),
        (query.prefix != family, "instr(streams.stream, ?) = 1", query.prefix),
        (query.state is not None, "streams.state = ?", query.state),
        (query.name is not None, "streams.name = ?", query.name),
        (query.algorithm is not None, "streams.algorithm = ?", query.algorithm),
        (query.due, "streams.due_at <= ?", now),
    ]
    return [(clause, (value,)) for is_asked, clause, value in conditions if is_asked]


def _tag_conditions(query: Query, drives: bool) -> list[Condition]:
    if query.tag is None:
        return []
    key, value = query.tag
    if drives:
        by_key = ("stream_tags.key = ?", (key,))
        return [by_key] if value is None else [by_key, ("stream_tags.value = ?", (value,))]
    found = "SELECT 1 FROM stream_tags WHERE stream_id = streams.id AND key = ?"
    if value is None:
        return [(f"EXISTS ({found})", (key,))]
    return [(f"EXISTS ({found} AND value = ?)", (key, value))]


def _family(query: Query) -> str:
    return query.prefix[: query.prefix.find("/") + 1]
