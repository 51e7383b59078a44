"""How an empty or older database gets this release's tables; many workers may start at once."""

from __future__ import annotations

import psycopg
from psycopg import errors

from aegis_journal_postgres.connect import Connection
from aegis_journal_postgres.errors import error_name
from aegis_journal_postgres.function import COMMIT, KEEP, MATERIAL, PRESENT
from aegis_journal_postgres.tables import OWNERS, PARTITIONS, TABLES
from aegis_kernel import BootError

_MIGRATIONS = ((TABLES, PARTITIONS, MATERIAL, KEEP, PRESENT, COMMIT), (OWNERS,))
VERSION = len(_MIGRATIONS)

#: How many months of the ledger stand ready beyond this one.
MONTHS_AHEAD = 3

# "aegis schema" as a number: workers that start together take turns by this lock.
_LOCK = 0x6165676973736368

# Read from the catalogue as a table: to_regclass would answer from a cache that a wait for the lock
# does not renew, and a second worker would make the tables again.
_FOUND = """
SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'aegis' AND c.relname = 'schema_version')"""
_VERSION = "SELECT coalesce(max(version), 0) FROM aegis.schema_version"
_FIRST = """
CREATE SCHEMA IF NOT EXISTS aegis;
CREATE TABLE aegis.schema_version (
    version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"""


async def migrate(connection: Connection) -> None:
    """Bring the schema to VERSION, one transaction in all; a crash leaves what was there before.

    Raises BootError for a newer schema, and for a role that may not make the tables.
    """
    if await _version(connection) == VERSION:
        return
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '60s'")
            await connection.execute("SET LOCAL statement_timeout = '300s'")
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            version = await _version(connection)
            if version is None:
                await connection.execute(_FIRST)
            for number, statements in enumerate(_MIGRATIONS[version or 0 :], (version or 0) + 1):
                for statement in statements:
                    await connection.execute(statement.encode())
                await connection.execute(
                    "INSERT INTO aegis.schema_version (version) VALUES (%s)", (number,)
                )
    except errors.InsufficientPrivilege as error:
        raise BootError(
            "This role may not make or change the journal's tables: run `aegis-server check` once"
            " with the role that owns them (see the README of aegis-journal-postgres)"
        ) from error
    except psycopg.Error as error:
        raise BootError(
            f"The journal's tables cannot be brought up to date ({error_name(error)}): look into"
            " the server's log, and start again"
        ) from error


async def prepare_ledger(connection: Connection) -> None:
    """Make the ledger's partitions of this month and the next ones."""
    await connection.execute("SELECT aegis.prepare_ledger(%s)", (MONTHS_AHEAD,))


async def _version(connection: Connection) -> int | None:
    """Return the version that stands, None for an empty database. Raises BootError if it is newer."""
    found = await (await connection.execute(_FOUND)).fetchone()
    if found is None or not found[0]:
        return None
    row = await (await connection.execute(_VERSION)).fetchone()
    version = int(row[0]) if row else 0
    if version > VERSION:
        raise BootError(
            f"The journal was written by a newer release (schema {version}; this one knows"
            f" {VERSION}): install that release of aegis-journal-postgres, or restore a backup"
        )
    return version
