"""`find` walks one index in the order of creation, and not far: a page costs the same in any store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aegis_journal_postgres.drivers import Driver, candidates, counts, family_of
from aegis_journal_postgres.readers import Row
from aegis_kernel import Found, Page, Query, Stored

MAXIMUM_PAGE = 500
# So many candidates of the index are looked at for one page.
_EXAMINED = 10_000

# `OFFSET 0` keeps the planner from finding the streams in another way than one by one.
_FIND = """
(SELECT f.id, f.stream, f.sequence, f.snapshot FROM ({walk} LIMIT {examined}) c
CROSS JOIN LATERAL (
    SELECT s.id, s.stream, s.sequence, s.snapshot FROM aegis.streams s WHERE {conditions} OFFSET 0
) f ORDER BY {order} LIMIT %s)"""

# In the same statement, so that nothing that changes in between falls into a gap.
_REACH = """
UNION ALL SELECT {position}, NULL, NULL, NULL FROM ({walk} LIMIT 1 OFFSET {last}) c"""

# The index of what is due is in the order of time, so the longest due are taken and then sorted.
# Due is what both clocks call due: a host whose clock runs ahead destroys nothing early.
_DUE = """
SELECT s.id FROM aegis.streams s
WHERE {family} s.due_at <= least(%s::bigint, (extract(epoch FROM now()) * 1000000)::bigint)
ORDER BY s.due_at"""

Clauses = list[tuple[str, tuple[Any, ...]]]
Rows = Callable[[str, list[Any]], Awaitable[list[Row]]]


async def find(rows: Rows, query: Query, now: int) -> Page:
    """Return the page; `rows` runs a statement, `now` is in microseconds since the Unix epoch."""
    limit = min(query.limit, MAXIMUM_PAGE)
    if query.due:
        answer = await rows(*due_statement(query, now, limit + 1))
    else:
        answer = await rows(*statement(query, await _choose(rows, query), limit + 1))
    found = [Found(row[0], Stored(*row[1:])) for row in answer if row[1] is not None]
    if len(found) > limit:
        return Page(tuple(found[:limit]), more=True)
    reached = next((row[0] for row in answer if row[1] is None), None)
    return Page(tuple(found), more=reached is not None, reached=reached)


async def _choose(rows: Rows, query: Query) -> Driver:
    drivers = candidates(query)
    if len(drivers) == 1:
        return drivers[0]
    (counted,) = await rows(*counts(drivers, query.after))
    return drivers[counted.index(min(counted))]


def statement(query: Query, driver: Driver, rows: int) -> tuple[str, list[Any]]:
    """Return the statement of one page and its parameters.

    A row without a stream is the position at which it stopped looking.
    """
    walk, given = driver.walk(query.after)
    others = [each for each in _conditions(query, driver) if each not in _said(driver)]
    order = ", ".join(_of_candidate(column) for column in driver.order)
    position = _of_candidate(driver.position)
    sql, asked = _page(walk, position, order, others)
    if not others:
        return sql, [*given, *asked, rows]
    reach = _REACH.format(position=position, walk=walk, last=_EXAMINED - 1)
    return sql + reach, [*given, *asked, rows, *given]


def due_statement(query: Query, now: int, rows: int) -> tuple[str, list[Any]]:
    """Return the statement of one page of what is due at `now`, and its parameters."""
    family = family_of(query)
    walk = _DUE.format(family="s.family = %s AND" if family else "")
    others = [("s.id > %s", (query.after,)), *_conditions(query, None)]
    sql, asked = _page(walk, "c.id", "f.id", others)
    return sql, [*([family] if family else []), now, *asked, rows]


def _page(walk: str, position: str, order: str, others: Clauses) -> tuple[str, list[Any]]:
    conditions = " AND ".join([f"s.id = {position}", *(clause for clause, _ in others)])
    sql = _FIND.format(walk=walk, examined=_EXAMINED, conditions=conditions, order=order)
    return sql, [value for _, values in others for value in values]


def _conditions(query: Query, driver: Driver | None) -> Clauses:
    family = family_of(query)
    asked: list[tuple[bool, str, Any]] = [
        (bool(family), "s.family = %s", family),
        (query.prefix != family, "starts_with(s.stream, %s)", query.prefix),
        (query.name is not None, "s.name = %s", query.name),
        (query.owner is not None, "s.owner = %s", query.owner),
        (query.state is not None, "s.state = %s", query.state),
        (query.algorithm is not None, "s.algorithm = %s", query.algorithm),
    ]
    conditions: Clauses = [(clause, (value,)) for is_asked, clause, value in asked if is_asked]
    if query.tag is None or (driver is not None and driver.is_of_tags):
        return conditions
    return [*conditions, _tag_condition(*query.tag)]


def _tag_condition(key: str, value: str | None) -> tuple[str, tuple[Any, ...]]:
    # Not EXISTS, which the planner may turn into a join with all that have the tag.
    found = "SELECT true FROM aegis.stream_tags t WHERE t.stream_id = s.id AND t.key = %s"
    if value is None:
        return f"({found})", (key,)
    return f"({found} AND t.value = %s)", (key, value)


def _said(driver: Driver) -> Clauses:
    return [(f"{column} = %s", (value,)) for column, value in driver.answers]


def _of_candidate(column: str) -> str:
    return f"c.{column.partition('.')[2]}"
