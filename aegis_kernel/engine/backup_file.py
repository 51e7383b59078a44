"""A backup is one file: three lines that say what it is, then the copy of the store.

    aegis-backup 1
    {the manifest}
    {for each root of trust that keeps a master key: its MAC over the two lines above}
    the copy, exactly as many bytes as the manifest says, with the hash that it says

So whoever alters the manifest or the copy without a master key is found out.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from aegis_kernel.domain.errors import BootError, ConflictError

FIRST_LINE = b"aegis-backup 1\n"
_MOST_LINE_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is in a backup. `masters` is {root of trust: {master key's fingerprint: rows}}."""

    created_at: datetime
    version: str
    journal: str
    schema: int
    head: int
    streams: int
    material_rows: int
    masters: dict[str, dict[str, int]]
    bytes: int
    sha256: str


class Header(msgspec.Struct, frozen=True):
    """The lines before the copy. `statement` is what the MACs are over."""

    manifest: Manifest
    statement: bytes
    macs: Mapping[str, bytes]
    offset: int


def statement_of(manifest: Manifest) -> bytes:
    """Return the first two lines of a backup."""
    return FIRST_LINE + msgspec.json.encode(manifest) + b"\n"


def hash_file(path: Path) -> tuple[int, str]:
    """Return size and SHA-256 of a file, reading it in pieces."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def assemble(statement: bytes, macs: Mapping[str, bytes], copy: Path, draft: Path) -> None:
    """Write the backup to `draft`, a new file, mode 0600, on disk on return."""
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file, copy.open("rb") as source:
        file.write(statement)
        file.write(msgspec.json.encode({name: mac.hex() for name, mac in macs.items()}) + b"\n")
        while chunk := source.read(_CHUNK_BYTES):
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def publish(draft: Path, target: Path) -> None:
    """Give the finished file its name, in one step. Raises ConflictError if the name is taken."""
    try:
        os.link(draft, target)
    except FileExistsError:
        raise ConflictError(f"{target} exists already; a backup overwrites nothing") from None
    descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_backup(path: Path) -> bool:
    """Return whether the file begins as a backup does."""
    try:
        with path.open("rb") as file:
            return file.read(len(FIRST_LINE)) == FIRST_LINE
    except OSError as error:
        raise _unreadable(path, error) from error


def read_header(path: Path) -> Header:
    """Return what the backup says of itself. Raises BootError if it is none, or not all of it."""
    if not is_backup(path):
        raise BootError(f"{path} is no backup of Aegis-KMS")
    try:
        with path.open("rb") as file:
            statement = _line(file) + _line(file)
            macs = msgspec.json.decode(_line(file), type=dict[str, str])
            header = Header(
                manifest=msgspec.json.decode(statement[len(FIRST_LINE) :], type=Manifest),
                statement=statement,
                macs={name: bytes.fromhex(mac) for name, mac in macs.items()},
                offset=file.tell(),
            )
            size = os.fstat(file.fileno()).st_size - header.offset
    except OSError as error:
        raise _unreadable(path, error) from error
    except (msgspec.DecodeError, ValueError) as error:
        raise BootError(f"{path} is damaged: its first lines cannot be read") from error
    if size != header.manifest.bytes:
        raise BootError(
            f"{path} is damaged: it holds {size} bytes of {header.manifest.bytes}, so it was cut "
            "short or added to"
        )
    return header


def extract(path: Path, header: Header, target: Path) -> None:
    """Write the copy to `target`, a new file. Raises BootError if it is not what the manifest says."""
    digest = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as copy, path.open("rb") as file:
        file.seek(header.offset)
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            copy.write(chunk)
    if digest.hexdigest() != header.manifest.sha256:
        raise BootError(f"{path} is damaged: its content is not what was backed up")


def _line(file: BinaryIO) -> bytes:
    line = file.readline(_MOST_LINE_BYTES)
    if not line.endswith(b"\n"):
        raise ValueError("a line is cut short")
    return line


def _unreadable(path: Path, error: OSError) -> BootError:
    return BootError(f"{path} cannot be read ({error.strerror})")
