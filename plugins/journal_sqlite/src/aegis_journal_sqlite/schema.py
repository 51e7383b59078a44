"""The tables, and how an older database becomes a newer one."""

from __future__ import annotations

import sqlite3

from aegis_journal_sqlite.connection import transaction
from aegis_kernel import BootError

# "AEGJ": tells a journal from any other SQLite file.
_APPLICATION_ID = 0x4145474A

# Streams are never deleted, so a plain rowid is the order of creation. Every index of `find` leads
# with the family ("key/") and ends with the rowid, in which order pages are read.
_FIRST = (
    """CREATE TABLE streams (
        id INTEGER PRIMARY KEY,
        stream TEXT NOT NULL UNIQUE,
        family TEXT AS (substr(stream, 1, instr(stream, '/'))) VIRTUAL,
        sequence INTEGER NOT NULL,
        state TEXT,
        name TEXT,
        algorithm TEXT,
        owner TEXT,
        due_at INTEGER,
        snapshot BLOB NOT NULL
    ) STRICT""",
    "CREATE INDEX streams_by_family ON streams (family)",
    "CREATE INDEX streams_by_state ON streams (family, state)",
    "CREATE INDEX streams_by_name ON streams (family, name)",
    "CREATE INDEX streams_by_algorithm ON streams (family, algorithm)",
    "CREATE INDEX streams_by_due ON streams (family, due_at) WHERE due_at IS NOT NULL",
    """CREATE TABLE stream_tags (
        stream_id INTEGER NOT NULL REFERENCES streams (id),
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (stream_id, key)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX stream_tags_by_key ON stream_tags (key, stream_id)",
    "CREATE INDEX stream_tags_by_value ON stream_tags (key, value, stream_id)",
    """CREATE TABLE events (
        stream_id INTEGER NOT NULL REFERENCES streams (id),
        sequence INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (stream_id, sequence)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE material (
        key_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        root TEXT NOT NULL,
        wrapped BLOB NOT NULL,
        PRIMARY KEY (key_id, version)
    ) STRICT, WITHOUT ROWID""",
    "CREATE TABLE ledger (position INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT",
    "CREATE TABLE cursors (sink TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE leases (name TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    # Filled and emptied again to learn whether the disk takes anything.
    "CREATE TABLE trial (id INTEGER PRIMARY KEY, filler BLOB NOT NULL) STRICT",
    f"PRAGMA application_id = {_APPLICATION_ID}",
)

_IDEMPOTENCY = (
    """CREATE TABLE idempotency (
        scope TEXT PRIMARY KEY,
        digest BLOB NOT NULL,
        response BLOB NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX idempotency_by_expiry ON idempotency (expires_at)",
)

_OWNERS = ("CREATE INDEX streams_by_owner ON streams (family, owner)",)

_MIGRATIONS = (_FIRST, _IDEMPOTENCY, _OWNERS)
VERSION = len(_MIGRATIONS)


def recognise(connection: sqlite3.Connection) -> None:
    """Raises BootError unless the file is empty or a journal that this version understands."""
    application, version, objects = connection.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)"
        " FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if application != _APPLICATION_ID and (application, version, objects) != (0, 0, 0):
        raise BootError(
            "The SQLite file is not an Aegis journal: set AEGIS_JOURNAL_SQLITE_FILE to another file"
        )
    if version > VERSION:
        raise BootError(
            f"The journal was written by a newer release (schema {version}; this one knows"
            f" {VERSION}): install that release of aegis-journal-sqlite, or restore a backup"
        )


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema to VERSION, one transaction a step; a crash leaves whole steps."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for number, statements in enumerate(_MIGRATIONS[version:], start=version + 1):
        with transaction(connection):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
