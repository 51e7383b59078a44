"""The writer: the only thread and the only connection that change the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from aegis_journal_sqlite import idempotency, statements
from aegis_journal_sqlite.connection import connect_writer, transaction, verify
from aegis_journal_sqlite.errors import error_name, unavailable
from aegis_journal_sqlite.plan import (
    Plan,
    Verdict,
    bodies_of,
    judge,
    scopes_of,
    streams_of,
    unite_uses,
)
from aegis_journal_sqlite.schema import VERSION, migrate, recognise
from aegis_kernel import BootError, Committed, Entry, InternalError, Lease

_TRIAL_BYTES = 256 * 1024

_LEASE = """
INSERT INTO leases (name, epoch) VALUES (?, 1)
ON CONFLICT (name) DO UPDATE SET epoch = epoch + 1 RETURNING epoch"""

_ADVANCE = """
INSERT INTO cursors (sink, position)
SELECT ?, ? WHERE (SELECT epoch FROM leases WHERE name = ?) = ?
ON CONFLICT (sink) DO UPDATE SET position = max(position, excluded.position)"""


class Writer:
    """Every method but `held` runs on the writer thread, one at a time; all may raise sqlite3.Error."""

    def __init__(self, file: Path) -> None:
        """Open the database and bring its schema up to date. Raises BootError."""
        self._file = file
        self._connection = connect_writer(file)
        try:
            recognise(self._connection)
            verify(self._connection)
            migrate(self._connection)
        except BaseException:
            self._connection.close()
            raise
        self._head: int | None = None
        self._attempt: tuple[Plan, int] | None = None
        self._leases: dict[str, Lease] = {}
        #: SQLite's name of the error of the last commit, None when it succeeded.
        self.failure: str | None = None
        #: Whether the write-ahead log may still hold a copy of deleted material.
        self.owes_truncation = True
        # A crash may have come between a deletion and its truncation.
        self.truncate()

    def commit(self, entries: Sequence[Entry], now: int) -> list[Verdict]:
        """Commit as the port says, at `now` (microseconds since the Unix epoch).

        Raises UnavailableError, or InternalError for a bad entry.
        """
        self._attempt = None
        try:
            verdicts = self._commit(entries, now)
        except sqlite3.IntegrityError as error:
            self._head = None
            raise InternalError(
                "An entry contradicts what is stored", reason=error_name(error)
            ) from error
        except sqlite3.Error as error:
            verdicts = self._settle(error)
        self.failure = None
        if self._attempt is not None and self._attempt[0].deletes_material:
            self.owes_truncation = True
            self.truncate()
        return verdicts

    def held(self, name: str) -> Lease | None:
        """Return the lease if this opening has taken it already; callable from any thread."""
        return self._leases.get(name)

    def lease(self, name: str) -> Lease:
        """Return the lease of this opening: one epoch above that of every earlier one."""
        if name not in self._leases:
            (epoch,) = self._connection.execute(_LEASE, (name,)).fetchone()
            self._leases[name] = Lease(name, epoch)
        return self._leases[name]

    def advance(self, sink: str, position: int, lease: Lease) -> bool:
        parameters = (sink, position, lease.name, lease.epoch)
        return self._connection.execute(_ADVANCE, parameters).rowcount == 1

    def truncate(self) -> None:
        """Move the write-ahead log into the database and empty it; on failure it stays owed."""
        with suppress(sqlite3.Error):
            (busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self.owes_truncation = bool(busy)

    def try_disk(self) -> None:
        """Find out whether the disk takes writes again, and forget the failure if it does.

        The trial needs room of its own: a small write may fit where no commit would.
        """
        self._reconnect()
        with transaction(self._connection):
            self._connection.execute(
                "REPLACE INTO trial (id, filler) VALUES (1, zeroblob(?))", (_TRIAL_BYTES,)
            )
        self._connection.execute("DELETE FROM trial")
        self.failure = None

    def close(self) -> None:
        self.truncate()
        self._connection.close()

    def _commit(self, entries: Sequence[Entry], now: int) -> list[Verdict]:
        expected = unite_uses(entries)
        if expected is None or not self._commit_uses(entries, expected):
            return self._commit_judged(entries, now)
        return [Committed()] * len(entries)

    def _commit_uses(self, entries: Sequence[Entry], expected: dict[str, int]) -> bool:
        """Commit entries that only use streams, in one step; return False if any has moved."""
        bodies = bodies_of(entries)
        if not bodies:
            return False
        first = self._next_position()
        self._attempt = (Plan([Committed()] * len(entries), {}, [], bodies, {}), first)
        if not statements.record(self._connection, first, bodies, expected):
            return False
        self._head = first + len(bodies) - 1
        return True

    def _commit_judged(self, entries: Sequence[Entry], now: int) -> list[Verdict]:
        with transaction(self._connection):
            first = self._next_position()
            stored = statements.read_sequences(self._connection, streams_of(entries))
            taken = idempotency.taken_scopes(self._connection, scopes_of(entries), now)
            plan = judge(entries, stored, taken)
            self._attempt = (plan, first)
            self._write(plan, first, now)
        self._head = first + len(plan.bodies) - 1
        return plan.verdicts

    def _write(self, plan: Plan, first: int, now: int) -> None:
        if plan.moves:
            statements.move_streams(self._connection, plan.moves)
        if plan.material:
            statements.change_material(self._connection, plan.material)
        if plan.bodies:
            statements.record(self._connection, first, plan.bodies, {})
        if plan.rows:
            idempotency.keep(self._connection, plan.rows.values(), now)

    def _next_position(self) -> int:
        if self._head is None:
            (self._head,) = self._connection.execute(
                "SELECT ifnull(max(position), 0) FROM ledger"
            ).fetchone()
        return self._head + 1

    def _settle(self, error: sqlite3.Error) -> list[Verdict]:
        """Look whether a commit that failed happened all the same; raise UnavailableError if not.

        The look is itself a durable commit: after it the transaction is either on disk with all
        before it, or overwritten in the write-ahead log, from where a crash could have revived it.
        """
        self.failure = error_name(error)
        attempt = self._attempt
        try:
            self._reconnect()
            with transaction(self._connection):
                happened = attempt is not None and self._is_stored(*attempt)
                self._connection.execute(f"PRAGMA user_version = {VERSION}")
        except (sqlite3.Error, BootError):
            raise unavailable(error) from error
        if attempt is None or not happened:
            raise unavailable(error) from error
        return attempt[0].verdicts

    def _reconnect(self) -> None:
        self._head = None
        self._connection.close()
        self._connection = connect_writer(self._file)
        verify(self._connection)

    def _is_stored(self, plan: Plan, first: int) -> bool:
        # All of a transaction is there or nothing, so any part of it tells for the rest.
        if plan.bodies:
            last = (first + len(plan.bodies) - 1, plan.bodies[-1])
            found = "SELECT count(*) FROM ledger WHERE position = ? AND body = ?"
            return bool(self._connection.execute(found, last).fetchone()[0])
        sequences = statements.read_sequences(self._connection, list(plan.moves))
        return bool(plan.moves) and all(
            sequences.get(stream, 0) == move.sequence for stream, move in plan.moves.items()
        )
