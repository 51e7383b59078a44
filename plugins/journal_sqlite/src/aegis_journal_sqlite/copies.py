"""Whole copies of the database: taken while it is in use, salvaged, looked through, put in place."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from aegis_journal_sqlite.connection import connect_reader
from aegis_kernel import BootError

# What SQLite keeps beside a database while it is open, or when it was not closed.
_COMPANIONS = ("-wal", "-shm", "-journal")


def copy_store(file: Path, target: Path) -> None:
    """Copy the database as it stands at this moment; commits go on meanwhile.

    One step copies everything within one read transaction: in smaller steps every commit would
    begin the copy anew. Meanwhile the write-ahead log grows, for it may not be emptied.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(connect_reader(file)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        # One file by itself, whoever opens it next.
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()
    _sync(target)


def salvage_store(store: Path, target: Path) -> None:
    """Copy the files of a database that nobody has open, as they lie there."""
    with _unheld(store):
        try:
            for companion in ("", "-wal"):
                found = Path(f"{store}{companion}")
                if found.exists() or not companion:
                    _copy(found, Path(f"{target}{companion}"))
        except OSError as error:
            raise BootError(f"{store} cannot be read ({error.strerror})") from error


def examine_store(connection: sqlite3.Connection) -> None:
    """Look at every page, index and reference. Raises BootError when anything is wrong."""
    try:
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.DatabaseError as error:
        raise BootError(f"The database is damaged: {error}") from error
    if found != "ok" or orphan is not None:
        raise BootError(f"The database is damaged: {found if found != 'ok' else 'a row is astray'}")


def place_store(copy: Path, file: Path) -> None:
    """Make `copy` the database at `file`, where there is none; a crash leaves all of it or nothing."""
    file = file.resolve()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = Path(f"{file}.{secrets.token_hex(8)}")
    with _unheld(file):
        _require_empty(file)
        try:
            _copy(copy, draft)
            _sync(draft)
            os.link(draft, file)
        except FileExistsError as error:
            raise _occupied(file) from error
        finally:
            with suppress(OSError):
                os.unlink(draft)
        _sync(file)


@contextmanager
def _unheld(file: Path) -> Iterator[None]:
    """Hold the lock of a database that no server has open, where there is a lock file."""
    try:
        descriptor = os.open(f"{file.resolve()}.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise BootError(f"{file} is in use: stop the server that has it open") from error
    finally:
        os.close(descriptor)


def _require_empty(file: Path) -> None:
    for companion in ("", *_COMPANIONS):
        if os.path.lexists(f"{file}{companion}"):
            raise _occupied(file)


def _occupied(file: Path) -> BootError:
    return BootError(
        f"{file} exists already, and a restore overwrites nothing: move it away with its -wal and"
        " -shm files, or set AEGIS_JOURNAL_SQLITE_FILE to a place that is empty"
    )


def _copy(source: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(source, "rb") as reading, open(descriptor, "wb") as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)


def _sync(file: Path) -> None:
    for path in (file, file.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
