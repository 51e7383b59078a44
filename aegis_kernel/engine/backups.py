"""Making a backup, while the server serves or with none running."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version as distribution_version
from pathlib import Path

from aegis_kernel.domain.errors import BadRequestError, ConflictError, UnavailableError
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.engine.backup_file import Manifest, assemble, hash_file, publish, statement_of
from aegis_kernel.engine.master_rotation import keepers_of, rows_by_master
from aegis_kernel.engine.masters import Commit
from aegis_kernel.engine.material_rows import material_pages
from aegis_kernel.engine.providers import Providers
from aegis_kernel.engine.records import Scribe
from aegis_kernel.engine.settings import Settings
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.journal import Entry, Journal, Query
from aegis_kernel.spi.journal_backup import JournalBackup
from aegis_kernel.spi.root_of_trust import RootOfTrust

_PAGE_STREAMS = 500


class Backups:
    """Copies the journal into one file; one backup at a time."""

    def __init__(
        self,
        *,
        journal: Journal,
        kind: str,
        roots: Mapping[str, RootOfTrust],
        version: str,
        clock: Clock,
        scribe: Scribe,
        commit: Commit,
    ) -> None:
        self._journal = journal
        self._kind = kind
        self._roots = roots
        self._version = version
        self._clock = clock
        self._scribe = scribe
        self._commit = commit
        self._busy = asyncio.Lock()

    async def create(self, target: Path, asked_by: str) -> Manifest:
        """Write a backup of all that was committed before to `target`, a new file, mode 0600.

        Its making is in the ledger before the file has its name. Raises UnavailableError where the
        journal cannot be backed up, ConflictError where `target` exists or a backup is being made.
        """
        journal = backup_of(self._journal, self._kind)
        _require_free(target)
        if self._busy.locked():
            raise ConflictError("A backup is being made")
        async with self._busy:
            try:
                place = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
                try:
                    return await self._create(journal, target, place, asked_by)
                finally:
                    await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
            except OSError as error:
                raise UnavailableError(
                    f"{target} cannot be written by the server's user ({error.strerror})"
                ) from error

    async def _create(
        self, journal: JournalBackup, target: Path, place: Path, asked_by: str
    ) -> Manifest:
        copy, draft = place / "copy", place / "backup"
        await journal.backup(copy)
        manifest = await self._describe(journal, copy)
        statement = statement_of(manifest)
        macs = {name: keeper.vouch(statement) for name, keeper in keepers_of(self._roots).items()}
        await asyncio.to_thread(assemble, statement, macs, copy, draft)
        said = f"{target.name}, up to record {manifest.head}; asked by {asked_by}"
        record = self._scribe.own(Operation.BACK_UP, said)
        await self._commit(Entry(expects={}, records=(record,)))
        await asyncio.to_thread(publish, draft, target)
        return manifest

    async def _describe(self, journal: JournalBackup, copy: Path) -> Manifest:
        store = journal.at(copy)
        try:
            await store.open()
            head, streams, rows = await store.head(), await _streams(store), await _rows(store)
            masters = await rows_by_master(store, keepers_of(self._roots))
        finally:
            await store.aclose()
        size, digest = await asyncio.to_thread(hash_file, copy)
        return Manifest(
            created_at=datetime.fromtimestamp(int(self._clock.time()), UTC),
            version=self._version,
            journal=self._kind,
            schema=journal.schema_version,
            head=head,
            streams=streams,
            material_rows=rows,
            masters=masters,
            bytes=size,
            sha256=digest,
        )


def build_backups(
    settings: Settings, providers: Providers, clock: Clock, scribe: Scribe, commit: Commit
) -> Backups:
    """Return what backs up the journal that the settings name."""
    return Backups(
        journal=providers.journal,
        kind=settings.chosen("aegis.journal")[0].loaded.installed.name,
        roots=providers.roots,
        version=distribution_version("aegis-kms"),
        clock=clock,
        scribe=scribe,
        commit=commit,
    )


def backup_of(journal: Journal, kind: str) -> JournalBackup:
    """Return the journal as one that can be backed up. Raises UnavailableError if it cannot."""
    if not isinstance(journal, JournalBackup):
        raise UnavailableError(
            f"The {kind} journal has no backup of its own: back up its store with the store's own"
            " tools, as the README of its plugin says"
        )
    return journal


def _require_free(target: Path) -> None:
    if not target.is_absolute() or not target.parent.is_dir():
        raise BadRequestError(f"{target} is no absolute path in a directory that exists")
    if target.exists():
        raise ConflictError(f"{target} exists already; a backup overwrites nothing")


async def _streams(journal: Journal) -> int:
    count, after, more = 0, 0, True
    while more:
        page = await journal.find(Query(prefix="", after=after, limit=_PAGE_STREAMS))
        count, more = count + len(page.items), page.more
        after = page.last
    return count


async def _rows(journal: Journal) -> int:
    return sum([len(page) async for page in material_pages(journal)])
