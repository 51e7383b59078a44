"""The files on disk: made for their owner alone, and held by one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from aegis_kernel import BootError

_REMEDY = "set AEGIS_DATA_DIR or AEGIS_JOURNAL_SQLITE_FILE to a place that this user may write"


class Place:
    """The database file, locked for this process until `release`.

    The directory is created with mode 0700 and the file with 0600; what is there already keeps its
    mode. SQLite gives its -wal and -shm files the mode of the database.
    """

    def __init__(self, file: Path) -> None:
        """Raises BootError if the place cannot be written or is held, by whomever."""
        # Two names of one file must meet at one lock.
        self.file = file.resolve()
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _open(Path(f"{self.file}.lock"))
        except OSError as error:
            raise _unusable(self.file, error) from error
        try:
            self._hold()
            self._create()
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        # The lock file stays: unlinking it would let two processes lock two files of one name.
        os.close(self._lock)

    def _hold(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BootError(
                f"{self.file} is in use: a SQLite journal serves one process at a time. Stop the"
                " other aegis-server, or give this one its own AEGIS_JOURNAL_SQLITE_FILE"
            ) from error
        except OSError as error:
            raise BootError(
                f"{self.file} cannot be locked ({error.strerror}): move it to a local disk"
            ) from error

    def _create(self) -> None:
        try:
            os.close(_open(self.file))
            _sync_directory(self.file.parent)
        except OSError as error:
            raise _unusable(self.file, error) from error


def _open(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _sync_directory(directory: Path) -> None:
    # A new file whose name is not on disk is lost with the power, whatever was synced into it.
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(file: Path, error: OSError) -> BootError:
    return BootError(f"The journal {file} cannot be opened ({error.strerror}): {_REMEDY}")
