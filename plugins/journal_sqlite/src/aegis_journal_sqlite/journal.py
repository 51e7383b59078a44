"""The port: what runs inline, what on the writer thread, what on the reader thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from aegis_journal_sqlite.connection import connect_reader
from aegis_journal_sqlite.copies import (
    copy_store,
    examine_store,
    place_store,
    salvage_store,
)
from aegis_journal_sqlite.errors import error_name, unavailable
from aegis_journal_sqlite.idempotency import ROW, row_of
from aegis_journal_sqlite.place import Place
from aegis_journal_sqlite.scans import history, ledger, material_page
from aegis_journal_sqlite.schema import VERSION
from aegis_journal_sqlite.search import find
from aegis_journal_sqlite.writer import Writer
from aegis_kernel import (
    HEALTHY,
    BootError,
    Clock,
    Committed,
    Conflict,
    Entry,
    Health,
    IdempotencyRow,
    Journal,
    JournalBackup,
    KeyId,
    Lease,
    LedgerRecord,
    Material,
    MaterialRow,
    Page,
    Query,
    Secret,
    Status,
    Stored,
    UnavailableError,
)

Result = TypeVar("Result")

_LOAD = "SELECT sequence, snapshot FROM streams WHERE stream = ?"
_MATERIAL = "SELECT root, wrapped FROM material WHERE key_id = ? AND version = ?"
_HEAD = "SELECT ifnull(max(position), 0) FROM ledger"
_CURSOR = "SELECT position FROM cursors WHERE sink = ?"

_MAXIMUM_PAGE = 500
_MINIMUM_SQLITE = (3, 38, 0)


class SqliteJournal(Journal, JournalBackup):
    """A journal in one file, for one process.

    Point reads (`load`, `material`, `replay`, `cursor`, `head`) run on the calling thread: they take some
    microseconds from the page cache, a hop to another thread some ten times that. Writers never
    block them, nor they writers. Everything longer goes to a thread of its own.
    """

    def __init__(self, file: Path, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._write_thread = ThreadPoolExecutor(1, "journal-writer")
        self._scan_thread = ThreadPoolExecutor(1, "journal-reader")
        self._opened: _Opened | None = None

    @property
    def description(self) -> str:
        return f"SQLite event journal at {self._file}"

    async def open(self) -> None:
        """Raises BootError if the file is held, foreign, newer, or cannot keep the promises."""
        self._opened = await _run(self._write_thread, _Opened, self._file)

    async def aclose(self) -> None:
        """Finish what is under way, empty the write-ahead log, unlock the file."""
        opened, self._opened = self._opened, None
        if opened is not None:
            # The writer closes last: whoever closes last checkpoints, and only the writer may.
            await _run(self._scan_thread, opened.close_readers)
            await _run(self._write_thread, opened.close_writer)
        self._scan_thread.shutdown(wait=False)
        self._write_thread.shutdown(wait=False)

    async def check(self) -> Health:
        """Touch the store; after a failed commit try the disk, so that it heals without traffic."""
        writer = self._store.writer
        self._read_point(_HEAD)
        if writer.failure is not None:
            try:
                await self._write(writer.try_disk)
            except UnavailableError as error:
                return Health(Status.UNAVAILABLE, f"commits fail: {error.reason}")
        if writer.owes_truncation:
            await self._write(writer.truncate)
        if writer.owes_truncation:
            return Health(Status.DEGRADED, "deleted material is still in the write-ahead log")
        return HEALTHY

    async def load(self, stream: str) -> Stored | None:
        row = self._read_point(_LOAD, stream)
        return Stored(stream, *row) if row else None

    async def history(self, stream: str) -> Sequence[bytes]:
        return await self._scan(history, stream)

    async def commit(self, entries: Sequence[Entry]) -> Sequence[Committed | Conflict]:
        return await self._write(self._store.writer.commit, entries, self._now())

    async def material(self, key_id: KeyId, version: int) -> Material | None:
        row = self._read_point(_MATERIAL, key_id, version)
        return Material(row[0], Secret(row[1])) if row else None

    async def material_page(
        self, after: tuple[KeyId, int] | None, limit: int
    ) -> Sequence[MaterialRow]:
        return await self._scan(material_page, after, min(limit, _MAXIMUM_PAGE))

    async def replay(self, scope: str) -> IdempotencyRow | None:
        row = self._read_point(ROW, scope, self._now())
        return row_of(scope, *row) if row else None

    async def find(self, query: Query) -> Page:
        return await self._scan(find, query, self._now())

    async def ledger(self, after: int, limit: int) -> Sequence[LedgerRecord]:
        return await self._scan(ledger, after, limit)

    async def head(self) -> int:
        row = self._read_point(_HEAD)
        return int(row[0]) if row else 0

    async def cursor(self, sink: str) -> int:
        row = self._read_point(_CURSOR, sink)
        return int(row[0]) if row else 0

    async def advance(self, sink: str, position: int, lease: Lease) -> bool:
        return await self._write(self._store.writer.advance, sink, position, lease)

    async def lease(self, name: str) -> Lease | None:
        writer = self._store.writer
        return writer.held(name) or await self._write(writer.lease, name)

    def _now(self) -> int:
        return round(self._clock.time() * 1_000_000)

    @property
    def schema_version(self) -> int:
        return VERSION

    async def backup(self, target: Path) -> None:
        """Copy within one read transaction, in a thread and over a connection of its own."""
        try:
            await asyncio.to_thread(copy_store, self._store.file, target)
        except sqlite3.Error as error:
            raise unavailable(error) from error

    def at(self, copy: Path) -> Journal:
        return SqliteJournal(copy, self._clock)

    async def examine(self) -> None:
        await self._scan(examine_store)

    async def salvage(self, store: Path, target: Path) -> None:
        await asyncio.to_thread(salvage_store, store, target)

    async def place(self, copy: Path) -> None:
        await asyncio.to_thread(place_store, copy, self._file)

    @property
    def _store(self) -> _Opened:
        if self._opened is None:
            raise UnavailableError("The journal is not open")
        return self._opened

    def _read_point(self, sql: str, *parameters: Any) -> Any:
        try:
            return self._store.points.execute(sql, parameters).fetchone()
        except sqlite3.Error as error:
            raise unavailable(error) from error

    async def _scan(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await _translated(self._scan_thread, work, self._store.scans, *arguments)

    async def _write(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await _translated(self._write_thread, work, *arguments)


class _Opened:
    """All that an open journal holds: the lock, the writer, and a connection per kind of read."""

    def __init__(self, file: Path) -> None:
        if sqlite3.sqlite_version_info < _MINIMUM_SQLITE:
            raise BootError(f"SQLite {sqlite3.sqlite_version} is too old: install 3.38 or later")
        with ExitStack() as undo:
            self._place = Place(file)
            undo.callback(self._place.release)
            try:
                self.writer = Writer(self._place.file)
                undo.callback(self.writer.close)
                self.points = connect_reader(self._place.file)
                undo.callback(self.points.close)
                self.scans = connect_reader(self._place.file)
            except sqlite3.Error as error:
                raise BootError(
                    f"{file} cannot be opened as a journal ({error_name(error)}): set"
                    " AEGIS_JOURNAL_SQLITE_FILE to a journal or to a file that does not exist"
                ) from error
            undo.pop_all()

    @property
    def file(self) -> Path:
        return self._place.file

    def close_readers(self) -> None:
        self.points.close()
        self.scans.close()

    def close_writer(self) -> None:
        try:
            self.writer.close()
        finally:
            self._place.release()


async def _run(thread: ThreadPoolExecutor, work: Callable[..., Result], *arguments: Any) -> Result:
    return await asyncio.get_running_loop().run_in_executor(thread, work, *arguments)


async def _translated(
    thread: ThreadPoolExecutor, work: Callable[..., Result], *arguments: Any
) -> Result:
    try:
        return await _run(thread, work, *arguments)
    except sqlite3.Error as error:
        raise unavailable(error) from error
