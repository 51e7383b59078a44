"""Idempotency rows: which scopes are taken, what they hold, and how old rows leave."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from aegis_journal_sqlite.statements import microseconds
from aegis_kernel import IdempotencyRow

#: How many expired rows a commit takes along at most.
CLEARED_A_COMMIT = 64

ROW = "SELECT digest, response, expires_at FROM idempotency WHERE scope = ? AND expires_at > ?"

_TAKEN = """
SELECT scope FROM idempotency
WHERE expires_at > ? AND scope IN (SELECT value FROM json_each(?))"""

_CLEAR = """
DELETE FROM idempotency WHERE scope IN
(SELECT scope FROM idempotency WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"""

# An expired row of the same scope may still be there; one that is good cannot be.
_KEEP = "REPLACE INTO idempotency (scope, digest, response, expires_at) VALUES (?, ?, ?, ?)"


def row_of(scope: str, digest: bytes, response: bytes, expires_at: int) -> IdempotencyRow:
    """Return what the query ROW has found."""
    seconds, rest = divmod(expires_at, 1_000_000)
    expires = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
    return IdempotencyRow(scope=scope, digest=digest, response=response, expires_at=expires)


def taken_scopes(connection: sqlite3.Connection, scopes: Sequence[str], now: int) -> set[str]:
    """Return those of the scopes that have a row which has not expired at `now` (microseconds)."""
    if not scopes:
        return set()
    return {scope for (scope,) in connection.execute(_TAKEN, (now, json.dumps(scopes)))}


def keep(connection: sqlite3.Connection, rows: Iterable[IdempotencyRow], now: int) -> None:
    """Store the rows, and delete some that have expired."""
    connection.execute(_CLEAR, (now, CLEARED_A_COMMIT))
    connection.executemany(
        _KEEP, [(row.scope, row.digest, row.response, microseconds(row.expires_at)) for row in rows]
    )
