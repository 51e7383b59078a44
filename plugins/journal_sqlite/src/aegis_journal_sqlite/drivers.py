"""Which index a search walks: the one that the store shows to hold the fewest candidates.

SQLite's planner knows nothing of how the values are spread, and a wrong guess reads a million
streams. So where several conditions have an index, each is counted, up to a bound.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, NamedTuple

from aegis_kernel import Query

# Beyond so many candidates an index is taken to be as bad as any other.
_COUNTED = 1000

_COUNT = """
SELECT count(*) FROM (SELECT 1 FROM {source} WHERE {position} > ?{conditions} LIMIT ?)"""

Condition = tuple[str, tuple[Any, ...]]


class Driver(NamedTuple):
    """An index to walk: the source of rows, the column of their order, and what it answers."""

    source: str
    position: str
    answers: tuple[Condition, ...]

    @property
    def is_of_tags(self) -> bool:
        return self.source.startswith("stream_tags")


def choose(connection: sqlite3.Connection, query: Query) -> Driver:
    """Return the index to walk for `query`, which does not ask for what is due."""
    candidates = _candidates(query)
    if len(candidates) == 1:
        return candidates[0]
    return min(candidates, key=lambda driver: _count(connection, driver, query.after))


def family_of(query: Query) -> str:
    """Return the family that the prefix names, "" where it names none."""
    return query.prefix[: query.prefix.find("/") + 1]


def clauses(conditions: Iterable[Condition]) -> str:
    """Return the conditions in SQL, to follow another one."""
    return "".join(f" AND {clause}" for clause, _ in conditions)


def values(conditions: Iterable[Condition]) -> list[Any]:
    """Return the parameters of `clauses`."""
    return [value for _, given in conditions for value in given]


def _candidates(query: Query) -> list[Driver]:
    family = family_of(query)
    found = [_tagged(*query.tag)] if query.tag is not None else []
    if family:
        of_family = ("streams.family = ?", (family,))
        columns = (
            ("name", query.name),
            ("owner", query.owner),
            ("state", query.state),
            ("algorithm", query.algorithm),
        )
        found += [
            _streams(
                f"INDEXED BY streams_by_{column}", of_family, (f"streams.{column} = ?", (value,))
            )
            for column, value in columns
            if value is not None
        ]
        return found or [_streams("INDEXED BY streams_by_family", of_family)]
    # The indexes of streams lead with the family, which a prefix such as "k" does not tell.
    return found or [_streams("NOT INDEXED")]


def _streams(index: str, *answers: Condition) -> Driver:
    return Driver(f"streams {index}", "streams.id", answers)


def _tagged(key: str, value: str | None) -> Driver:
    by_key = ("stream_tags.key = ?", (key,))
    # The driving table's own column, so that its index gives the order without a sort.
    position = "stream_tags.stream_id"
    if value is None:
        return Driver("stream_tags INDEXED BY stream_tags_by_key", position, (by_key,))
    by_value = ("stream_tags.value = ?", (value,))
    return Driver("stream_tags INDEXED BY stream_tags_by_value", position, (by_key, by_value))


def _count(connection: sqlite3.Connection, driver: Driver, after: int) -> int:
    sql = _COUNT.format(
        source=driver.source, position=driver.position, conditions=clauses(driver.answers)
    )
    parameters = [after, *values(driver.answers), _COUNTED]
    (count,) = connection.execute(sql, parameters).fetchone()
    return int(count)
