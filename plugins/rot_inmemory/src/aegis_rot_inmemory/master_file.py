"""The file that holds the master key, a line for each: for its owner's eyes only, and replaced whole."""

from __future__ import annotations

import errno
import logging
import os
import re
import secrets
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from aegis_kernel import BootError, Secret
from aegis_rot_inmemory.master import MOST_KEYS, decode_all, encode, new_master_key

_MOST_BYTES = 64 * MOST_KEYS
_MAKE_ONE = "(umask 077; openssl rand -base64 32 > FILE) makes a new one"


def load_or_make(path: Path) -> tuple[Secret, ...]:
    """Return the master keys in `path`, the newest first; make one, mode 0600, if there is no such file.

    Raises BootError, naming the remedy, when the file is open to others or belongs to one of them,
    is no plain file, or does not hold 32 random bytes in base64 on each line. A file that is there is
    never written to.
    """
    try:
        if not os.path.lexists(path):
            _make(path)
        return _load(path)
    except OSError as error:
        raise _refused(path, error) from error


def load(path: Path) -> tuple[Secret, ...]:
    """Return the master keys in `path`, the newest first. Raises BootError as `load_or_make` does."""
    if not os.path.lexists(path):
        raise BootError(f"{path} does not exist: put the master key there")
    try:
        return _load(path)
    except OSError as error:
        raise _refused(path, error) from error


def replace(path: Path, before: Sequence[Secret], after: Sequence[Secret]) -> None:
    """Let the file hold `after` instead of `before`, in one step: a crash leaves the one or the other.

    Owner and mode stay. What it held is overwritten where the file system lets us. Raises BootError
    when it holds anything else than `before`, or cannot be replaced.
    """
    try:
        with open(_open(path, os.O_RDWR), "r+b") as old:
            found = os.fstat(old.fileno())
            if _load(path) != tuple(before):
                raise BootError(f"{path} has been changed by hand; start the server again with it")
            _replace(path, b"".join(map(encode, after)), found)
            _overwrite(old)
            _clear_drafts(path)
    except OSError as error:
        raise BootError(
            f"{path} cannot be replaced ({error.strerror}): the server's user must be able to write "
            "to the file and to its directory"
        ) from error


def default_file(data_dir: Path) -> Path:
    """Return the file `master.key` in `data_dir`, which is made, mode 0700, if it is absent.

    Raises BootError when it cannot be made.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(data_dir, error) from error
    return data_dir / "master.key"


def _open(path: Path, access: int) -> int:
    # Without O_NONBLOCK a named pipe would hang the boot before it can be refused.
    return os.open(path, access | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _load(path: Path) -> tuple[Secret, ...]:
    with open(_open(path, os.O_RDONLY), "rb") as file:
        _require_private(path, os.fstat(file.fileno()))
        text = Secret(file.read(_MOST_BYTES))
    try:
        return decode_all(text)
    except ValueError as error:
        raise BootError(
            f"{path} {error}. Put the right file back; only if no key was ever made under it, "
            "delete it and start again"
        ) from None


def _require_private(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise BootError(f"{path} is no plain file; point the master key at one. {_MAKE_ONE}")
    # Who owns a file can change it, and a master key that somebody planted is no secret.
    if found.st_uid not in (0, os.geteuid()):
        raise BootError(
            f"{path} belongs to another user (uid {found.st_uid}): make sure that it is the right "
            "file, then chown it to the server's user"
        )
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BootError(
            f"{path} is open to others (mode {stat.S_IMODE(found.st_mode):04o}): "
            f"chmod 600 {path}, and think about who may have read it"
        )


def _make(path: Path) -> None:
    """Make the file whole or not at all: a crash leaves no half key, and no rival is overwritten."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        _write(draft, encode(new_master_key()))
        with suppress(FileExistsError):
            os.link(draft, path)
        _sync_directory(path.parent)
    finally:
        with suppress(OSError):
            os.unlink(draft)
    logging.getLogger(__name__).warning(
        "the new master key is in %s; keep a copy: without it every key here is lost", path
    )


def _replace(path: Path, text: bytes, like: os.stat_result) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        _write(draft, text)
        if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(draft, like.st_uid, like.st_gid)
        os.chmod(draft, stat.S_IMODE(like.st_mode))
        os.rename(draft, path)
        _sync_directory(path.parent)
    finally:
        with suppress(OSError):
            os.unlink(draft)


def _overwrite(old: IO[bytes]) -> None:
    """Overwrite a file that has lost its name. A copy under another name is somebody's backup."""
    found = os.fstat(old.fileno())
    if found.st_nlink == 0:
        old.write(bytes(found.st_size))
        old.flush()
        os.fsync(old.fileno())


def _clear_drafts(path: Path) -> None:
    """Remove what a crash in the middle of an earlier replacement has left: it holds master keys."""
    is_draft = re.compile(re.escape(path.name) + r"\.[0-9a-f]{16}").fullmatch
    for left in path.parent.iterdir():
        if is_draft(left.name):
            left.unlink()
    _sync_directory(path.parent)


def _write(path: Path, text: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(path: Path, error: OSError) -> BootError:
    if error.errno == errno.ELOOP:
        return BootError(f"{path} is a symbolic link; name the file itself")
    return BootError(
        f"{path}: {error.strerror}. The server's user needs a directory that it can write to for "
        f"its first boot, or a file of its own: {_MAKE_ONE}"
    )
