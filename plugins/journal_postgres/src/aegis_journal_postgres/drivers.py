"""Which index a search walks, and statements that leave the planner no other.

The planner does not know which values meet, and by a wrong guess it reads a million streams. So the
last column asked for is compared as a row with the position: only the one index has that order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from aegis_kernel import Query

# Beyond so many candidates an index is taken to be as bad as any other.
_COUNTED = 1000

_WALK = "SELECT {columns} FROM {table} WHERE {clauses} ORDER BY {columns}"
_COUNT = "(SELECT count(*) FROM ({walk} LIMIT {counted}) c)"

Condition = tuple[str, Any]


class Driver(NamedTuple):
    """An index to walk: its table, the column of positions, and the conditions that it answers."""

    table: str
    position: str
    answers: tuple[Condition, ...]

    @property
    def is_of_tags(self) -> bool:
        return self.table.startswith("aegis.stream_tags")

    @property
    def order(self) -> tuple[str, ...]:
        """The columns in whose order the index is walked, the position last."""
        return (*(column for column, _ in self.answers[-1:]), self.position)

    def walk(self, after: int) -> tuple[str, list[Any]]:
        """Return the statement that lists its candidates after that position, and its parameters."""
        columns, places = ", ".join(self.order), ", ".join("%s" for _ in self.order)
        equal, last = self.answers[:-1], self.answers[-1:]
        clauses = [f"{column} = %s" for column, _ in equal]
        clauses.append(f"({columns}) > ({places})")
        # The partial indexes are used only where this is said.
        clauses += [f"{column} <= %s AND {column} IS NOT NULL" for column, _ in last]
        bounds = [value for _, value in last]
        sql = _WALK.format(columns=columns, table=self.table, clauses=" AND ".join(clauses))
        return sql, [*(value for _, value in equal), *bounds, after, *bounds]


def counts(drivers: list[Driver], after: int) -> tuple[str, list[Any]]:
    """Return the statement that counts the candidates of each driver, up to a bound."""
    walks = [driver.walk(after) for driver in drivers]
    columns = [_COUNT.format(walk=sql, counted=_COUNTED) for sql, _ in walks]
    return "SELECT " + ", ".join(columns), [value for _, values in walks for value in values]


def candidates(query: Query) -> list[Driver]:
    """Return the indexes that could be walked for `query`, which does not ask for what is due."""
    family = family_of(query)
    found = [_tagged(*query.tag)] if query.tag is not None else []
    if not family:
        # The indexes of streams lead with the family, which a prefix such as "k" does not tell.
        return found or [_streams()]
    of_family = ("s.family", family)
    columns = (
        ("s.name", query.name),
        ("s.owner", query.owner),
        ("s.state", query.state),
        ("s.algorithm", query.algorithm),
    )
    found += [_streams(of_family, each) for each in columns if each[1] is not None]
    return found or [_streams(of_family)]


def family_of(query: Query) -> str:
    """Return the family that the prefix names, "" where it names none."""
    return query.prefix[: query.prefix.find("/") + 1]


def _streams(*answers: Condition) -> Driver:
    return Driver("aegis.streams s", "s.id", answers)


def _tagged(key: str, value: str | None) -> Driver:
    by_value = () if value is None else (("t.value", value),)
    return Driver("aegis.stream_tags t", "t.stream_id", (("t.key", key), *by_value))
