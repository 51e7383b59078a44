"""What SQLite's errors mean to a caller."""

from __future__ import annotations

from aegis_kernel import UnavailableError

DISK_FULL = "SQLITE_FULL"


def error_name(error: Exception) -> str:
    """Return SQLite's own name of the error ("SQLITE_IOERR_WRITE"): for operators, without paths."""
    return getattr(error, "sqlite_errorname", None) or type(error).__name__


def unavailable(error: Exception) -> UnavailableError:
    """Return the refusal that `error` turns into; it names SQLite's error in `reason` only."""
    name = error_name(error)
    if name == DISK_FULL:
        return UnavailableError("The journal cannot store this now: disk full", reason=name)
    return UnavailableError("The journal cannot answer now", reason=name)
