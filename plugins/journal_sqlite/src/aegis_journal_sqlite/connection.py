"""Connections to the database file, and what they must promise."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from aegis_kernel import BootError

# The promises of the journal, as SQLite reads them back: durable at every commit (synchronous 2 is
# FULL), and no copy of what was deleted left in the pages.
PROMISES: Mapping[str, object] = MappingProxyType(
    {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "foreign_keys": 1}
)

_WRITER = (
    "PRAGMA busy_timeout = 2000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    # On macOS fsync alone leaves the data in the drive's cache.
    "PRAGMA fullfsync = ON",
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA secure_delete = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -16384",
    "PRAGMA journal_size_limit = 16777216",
)
_READER = (
    "PRAGMA busy_timeout = 1000",
    "PRAGMA query_only = ON",
    "PRAGMA cache_size = -16384",
)


def connect_writer(file: Path) -> sqlite3.Connection:
    """Return the one connection that writes and checkpoints.

    There must be no second one: SQLite before 3.51.3 can damage a database when two connections
    checkpoint and reset the write-ahead log at the same instant.
    """
    return _connect(file, _WRITER)


def connect_reader(file: Path) -> sqlite3.Connection:
    """Return a connection that cannot write. Each of its statements sees all that is committed."""
    return _connect(file, _READER)


def verify(connection: sqlite3.Connection) -> None:
    """Read the promises back. Raises BootError for the first that SQLite does not keep."""
    for pragma, wanted in PROMISES.items():
        (found,) = connection.execute(f"PRAGMA {pragma}").fetchone()
        if found != wanted:
            raise BootError(
                f"SQLite does not keep {pragma}={wanted} here (it answers {found}): put"
                " AEGIS_JOURNAL_SQLITE_FILE on a local disk and use an unmodified SQLite library"
            )


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what the body does, or roll all of it back and raise."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            # The error that brought us here tells more than that of a rollback.
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def _connect(file: Path, pragmas: tuple[str, ...]) -> sqlite3.Connection:
    # isolation_level=None: transactions begin where the code says so. The threads take turns by
    # design, and SQLite's serialized mode guards the rest.
    connection = sqlite3.connect(
        file, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    try:
        for pragma in pragmas:
            connection.execute(pragma).fetchall()
    except BaseException:
        connection.close()
        raise
    return connection
