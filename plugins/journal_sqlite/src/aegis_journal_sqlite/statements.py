"""The SQL of a commit, made for few steps.

Every step of a statement gives the interpreter lock away and must win it back from the busy event
loop; under load that costs more than SQLite's own work. So many rows travel in one statement, and
answers come as one row.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any

from aegis_journal_sqlite.plan import Move
from aegis_kernel import Append, DeleteMaterial, MaterialChange, PutMaterial, ReplaceMaterial

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROWS_A_STATEMENT = 256

_SEQUENCES = """
SELECT json_group_object(stream, sequence) FROM streams
WHERE stream IN (SELECT value FROM json_each(?))"""

# The bodies travel as one parameter; each line's start and length are packed into one number. So
# one prepared statement serves batches of every size.
_RECORD_IF_UNMOVED = """
INSERT INTO ledger (position, body)
SELECT ? + line.key, substr(?, line.value >> 32, line.value & 4294967295) FROM json_each(?) AS line
WHERE NOT EXISTS (
    SELECT 1 FROM json_each(?) AS expected
    LEFT JOIN streams ON streams.stream = expected.key
    WHERE ifnull(streams.sequence, 0) <> expected.value)"""

_MOVE = """
INSERT INTO streams (stream, sequence, snapshot, state, name, algorithm, owner, due_at)
VALUES {rows}
ON CONFLICT (stream) DO UPDATE SET sequence = excluded.sequence, snapshot = excluded.snapshot,
    state = excluded.state, name = excluded.name, algorithm = excluded.algorithm,
    owner = excluded.owner, due_at = excluded.due_at"""

_EVENTS = """
INSERT INTO events (stream_id, sequence, body)
SELECT streams.id, new.column2, new.column3
FROM (VALUES {rows}) AS new CROSS JOIN streams ON streams.stream = new.column1"""

_UNTAG = """
DELETE FROM stream_tags WHERE stream_id IN
(SELECT id FROM streams WHERE stream IN (SELECT value FROM json_each(?)))"""

_TAG = """
INSERT INTO stream_tags (stream_id, key, value)
SELECT streams.id, new.column2, new.column3
FROM (VALUES {rows}) AS new CROSS JOIN streams ON streams.stream = new.column1"""

_PUT = "INSERT INTO material (key_id, version, root, wrapped) VALUES {rows}"
_REPLACE = """
UPDATE material SET root = ?, wrapped = ?
WHERE key_id = ? AND version = ? AND root = ? AND wrapped = ?"""
_DELETE = "DELETE FROM material WHERE key_id IN (SELECT value FROM json_each(?))"


def read_sequences(connection: sqlite3.Connection, streams: Sequence[str]) -> dict[str, int]:
    """Return the sequence of each of the streams that exist."""
    (found,) = connection.execute(_SEQUENCES, (_json(streams),)).fetchone()
    sequences: dict[str, int] = json.loads(found)
    return sequences


def record(
    connection: sqlite3.Connection,
    first: int,
    bodies: Sequence[bytes],
    expected: Mapping[str, int],
) -> bool:
    """Write the bodies to the ledger from position `first`, if all streams stand as expected.

    One step: where it is not part of a transaction, it is one of its own, durable on return.
    """
    places: list[int] = []
    start = 1
    for body in bodies:
        places.append(start << 32 | len(body))
        start += len(body)
    parameters = (first, b"".join(bodies), _json(places), _json(expected))
    return connection.execute(_RECORD_IF_UNMOVED, parameters).rowcount == len(bodies)


def move_streams(connection: sqlite3.Connection, moves: Mapping[str, Move]) -> None:
    """Append the events; set sequence, snapshot, attributes and tags to what is last."""
    last = {stream: move.appends[-1] for stream, move in moves.items()}
    _insert(connection, _MOVE, [_stream_row(moves[name], last[name]) for name in moves])
    _insert(
        connection,
        _EVENTS,
        [(name, *event) for name, move in moves.items() for event in move.events()],
    )
    _tag_streams(connection, moves, last)


def change_material(connection: sqlite3.Connection, changes: Sequence[MaterialChange]) -> None:
    """Change in the order given. Raises sqlite3.IntegrityError for a put over material that is there."""
    for kind, run in groupby(changes, type):
        if kind is DeleteMaterial:
            connection.execute(_DELETE, (_json([change.key_id for change in run]),))
        elif kind is ReplaceMaterial:
            replacements = [change for change in run if isinstance(change, ReplaceMaterial)]
            connection.executemany(_REPLACE, map(_replacement_row, replacements))
        else:
            puts = [change for change in run if isinstance(change, PutMaterial)]
            _insert(connection, _PUT, [_material_row(put) for put in puts])


def microseconds(moment: datetime) -> int:
    """Return the moment in microseconds since the Unix epoch, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _tag_streams(
    connection: sqlite3.Connection, moves: Mapping[str, Move], last: Mapping[str, Append]
) -> None:
    older = [stream for stream, move in moves.items() if move.start > 0]
    if older:
        connection.execute(_UNTAG, (_json(older),))
    tags = [
        (stream, key, value)
        for stream, append in last.items()
        for key, value in append.attributes.tags.items()
    ]
    _insert(connection, _TAG, tags)


def _stream_row(move: Move, last: Append) -> tuple[Any, ...]:
    has = last.attributes
    due = None if has.due_at is None else microseconds(has.due_at)
    return (
        last.stream,
        move.sequence,
        last.snapshot,
        has.state,
        has.name,
        has.algorithm,
        has.owner,
        due,
    )


def _material_row(put: PutMaterial) -> tuple[Any, ...]:
    material = put.material
    return (put.key_id, put.version, material.root_of_trust, material.wrapped.reveal())


def _replacement_row(change: ReplaceMaterial) -> tuple[Any, ...]:
    old, new = change.old, change.new
    return (
        new.root_of_trust,
        new.wrapped.reveal(),
        change.key_id,
        change.version,
        old.root_of_trust,
        old.wrapped.reveal(),
    )


def _insert(connection: sqlite3.Connection, template: str, rows: Sequence[tuple[Any, ...]]) -> None:
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        part = rows[start : start + _ROWS_A_STATEMENT]
        connection.execute(_spell(template, len(part), len(part[0])), _flat(part))


@lru_cache(maxsize=512)
def _spell(template: str, rows: int, columns: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return template.format(rows=", ".join([row] * rows))


def _flat(rows: Iterable[tuple[Any, ...]]) -> list[Any]:
    return [value for row in rows for value in row]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
