"""What boot proves of the server before it is trusted."""

from __future__ import annotations

import psycopg
from psycopg import errors

from aegis_journal_postgres.connect import Connection, Dialler
from aegis_journal_postgres.errors import error_name
from aegis_kernel import BootError

# "aegis  boot" as a number. Held for an instant, at transaction level like the locks of commits.
_LOCK = 0x616567697362

_POOLED = (
    "Two connections to Postgres are not two sessions, or a lock of one does not exclude the other:"
    " a pooler stands between. Connect to the server itself, or set the pooler to session mode"
)


async def prove_locks(dialler: Dialler, first: Connection) -> None:
    """Show on two connections that an advisory lock excludes. Raises BootError where it does not."""
    second = await dialler.connect()
    try:
        if await _pid(first) == await _pid(second) or first.info.backend_pid != await _pid(first):
            raise BootError(_POOLED)
        async with first.transaction():
            await first.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            # Another server that boots may hold it too, so only a lock that we get is a failure.
            if await _takes_lock(second):
                raise BootError(_POOLED)
    finally:
        await second.close()


def refusal(error: psycopg.Error) -> BootError:
    """Return what stops the boot when a statement of it fails."""
    if isinstance(error, errors.InsufficientPrivilege):
        return BootError(
            "This role may not use the journal's tables: grant it what the README of"
            " aegis-journal-postgres lists, or start once with the role that owns them"
        )
    return BootError(
        f"Postgres refused a statement of the boot ({error_name(error)}): look into its log"
    )


async def _pid(connection: Connection) -> int:
    row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
    return int(row[0]) if row else 0


async def _takes_lock(connection: Connection) -> bool:
    async with connection.transaction():
        cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (_LOCK,))
        row = await cursor.fetchone()
        return bool(row and row[0])
