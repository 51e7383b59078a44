"""`find` as one statement, in order of creation."""

from __future__ import annotations

from typing import Any

from aegis_kernel import Query

MAXIMUM_PAGE = 500

_FIND = """
SELECT s.id, s.stream, s.sequence, s.snapshot FROM {source} WHERE {conditions}
ORDER BY {position} LIMIT %s"""

_TAGS = "aegis.stream_tags t JOIN aegis.streams s ON s.id = t.stream_id"

Condition = tuple[str, tuple[Any, ...]]


def statement(query: Query, now: int, rows: int) -> tuple[str, list[Any]]:
    """Return the statement and its parameters; `now` is in microseconds since the Unix epoch."""
    # By the driving table's own column, whose index then gives the order without a sort.
    position = "t.stream_id" if query.tag is not None else "s.id"
    conditions: list[Condition] = [(f"{position} > %s", (query.after,)), *_conditions(query, now)]
    sql = _FIND.format(
        source="aegis.streams s" if query.tag is None else _TAGS,
        conditions=" AND ".join(clause for clause, _ in conditions),
        position=position,
    )
    return sql, [*(value for _, values in conditions for value in values), rows]


def _conditions(query: Query, now: int) -> list[Condition]:
    family = query.prefix[: query.prefix.find("/") + 1]
    key, value = query.tag or (None, None)
    asked: list[tuple[bool, str, Any]] = [
        (bool(family), "s.family = %s", family),
        (query.prefix != family, "starts_with(s.stream, %s)", query.prefix),
        (query.state is not None, "s.state = %s", query.state),
        (query.name is not None, "s.name = %s", query.name),
        (query.algorithm is not None, "s.algorithm = %s", query.algorithm),
        (query.owner is not None, "s.owner = %s", query.owner),
        (key is not None, "t.key = %s", key),
        (value is not None, "t.value = %s", value),
        # Due is what both clocks call due: a host whose clock runs ahead destroys nothing early.
        (
            query.due,
            "s.due_at <= least(%s::bigint, (extract(epoch FROM now()) * 1000000)::bigint)",
            now,
        ),
    ]
    return [(clause, (value,)) for is_asked, clause, value in asked if is_asked]
