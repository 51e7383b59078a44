"""What Postgres's errors mean to a caller."""

from __future__ import annotations

import psycopg
from psycopg import errors

from aegis_kernel import AegisError, InternalError, UnavailableError

#: Nothing happened, and the same once more may succeed at once.
TRANSIENT = (errors.SerializationFailure, errors.DeadlockDetected)


def error_name(error: Exception) -> str:
    """Return SQLSTATE and Postgres's name of the error: for operators, without data or addresses."""
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__name__} {state}" if state else type(error).__name__


def is_lost(connection: psycopg.AsyncConnection[tuple[object, ...]], error: Exception) -> bool:
    """Return whether the connection is of no use any more.

    A server that has become read-only is a primary no longer: the next connection finds the new one.
    """
    return connection.closed or isinstance(error, errors.ReadOnlySqlTransaction)


def refused(error: psycopg.Error) -> AegisError:
    """Return what a statement that failed turns into; Postgres's words go to nobody."""
    name = error_name(error)
    if isinstance(error, errors.DiskFull):
        return UnavailableError("The journal cannot store this now: disk full", reason=name)
    if isinstance(error, psycopg.OperationalError) or error.sqlstate is None:
        return UnavailableError("The journal cannot answer now", reason=name)
    return InternalError("The journal failed", reason=name)
