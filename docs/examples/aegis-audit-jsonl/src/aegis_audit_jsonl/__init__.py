"""Audit sink: appends each record as a line of JSON to a file, and waits for the disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import aegis_kernel
from aegis_kernel import (
    AuditSink,
    BootError,
    Executor,
    LedgerRecord,
    PluginContext,
    SettingsSection,
    UnavailableError,
    hookimpl,
)

__all__ = ["JsonLinesSettings", "JsonLinesSink", "Plugin"]


class JsonLinesSettings(SettingsSection, frozen=True):
    """`path` is the file; without it, `audit.jsonl` in the data folder."""

    prefix: ClassVar[str] = "AEGIS_AUDIT_JSONL"

    path: Path | None = None


class Plugin(aegis_kernel.Plugin):
    """Entry point `jsonl` of group `aegis.audit_sink`."""

    spi_version = 1
    settings = JsonLinesSettings

    @hookimpl
    def aegis_audit_sink(self, context: PluginContext) -> AuditSink:
        path = context.section(JsonLinesSettings).path or context.data_dir / "audit.jsonl"
        return JsonLinesSink(path, context.executor)


class JsonLinesSink(AuditSink):
    """Returns from `deliver` after fsync; what failed half-way is taken back."""

    def __init__(self, path: Path, executor: Executor) -> None:
        self._path = path
        self._executor = executor
        self._file: int | None = None

    async def open(self) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            _end_torn_line(self._file)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise BootError(
                f"cannot append audit records to {self._path} ({error.strerror}); "
                "set AEGIS_AUDIT_JSONL_PATH to a file that this user may write"
            ) from error

    async def aclose(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    async def deliver(self, records: Sequence[LedgerRecord]) -> None:
        lines = b"".join(record.body + b"\n" for record in records)
        await self._executor.run(self._append, lines)

    def _append(self, lines: bytes) -> None:
        if self._file is None:
            raise UnavailableError("this sink is closed")
        before = os.fstat(self._file).st_size
        try:
            while lines:
                lines = lines[os.write(self._file, lines) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, before)
            raise


def _end_torn_line(file: int) -> None:
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.write(file, b"\n")


def _sync_folder(folder: Path) -> None:
    # A new file outlives a loss of power only once its folder's entry is on the disk.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
