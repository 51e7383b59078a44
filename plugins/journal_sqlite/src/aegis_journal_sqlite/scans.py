"""Reads of many rows: one aggregated row each, since every row would be another step."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from aegis_kernel import InternalError, KeyId, LedgerRecord, Material, MaterialRow, Secret

_HISTORY = """
SELECT json_group_array(json_array(sequence, hex(body))) FROM (
    SELECT events.sequence, events.body FROM events
    JOIN streams ON streams.id = events.stream_id
    WHERE streams.stream = ? ORDER BY events.sequence)"""

_LEDGER = """
SELECT group_concat(position), CAST(group_concat(body, char(10)) AS BLOB) FROM (
    SELECT position, body FROM ledger WHERE position > ? ORDER BY position LIMIT ?)"""

_MATERIAL = """
SELECT key_id, version, root, wrapped FROM material
WHERE (key_id, version) > (?, ?) ORDER BY key_id, version LIMIT ?"""


def history(connection: sqlite3.Connection, stream: str) -> Sequence[bytes]:
    """Return every event of the stream, in order."""
    (rows,) = connection.execute(_HISTORY, (stream,)).fetchone()
    return tuple(bytes.fromhex(body) for _, body in sorted(json.loads(rows)))


def ledger(connection: sqlite3.Connection, after: int, limit: int) -> Sequence[LedgerRecord]:
    """Return the records after `after`. Raises InternalError if a position is missing."""
    positions, bodies = connection.execute(_LEDGER, (after, limit)).fetchone()
    if positions is None:
        return ()
    lines = bodies.split(b"\n")
    expected = range(after + 1, after + 1 + len(lines))
    # The text also proves the order, which SQLite does not promise of an aggregate.
    if positions != ",".join(map(str, expected)):
        raise InternalError("The ledger has a gap", reason=f"after position {after}")
    return tuple(map(LedgerRecord, expected, lines))


def material_page(
    connection: sqlite3.Connection, after: tuple[KeyId, int] | None, limit: int
) -> Sequence[MaterialRow]:
    """Return the rows above `after`, in order."""
    rows = connection.execute(_MATERIAL, (*(after or ("", 0)), limit)).fetchall()
    return tuple(
        MaterialRow(KeyId(key_id), version, Material(root, Secret(wrapped)))
        for key_id, version, root, wrapped in rows
    )
