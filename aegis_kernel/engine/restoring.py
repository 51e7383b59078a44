"""Verifying and restoring backups, where no server runs on the journal."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from aegis_kernel.domain.errors import AegisError, BootError
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.engine.backup_file import Header, extract, is_backup, read_header
from aegis_kernel.engine.backups import backup_of
from aegis_kernel.engine.clock import SystemClock
from aegis_kernel.engine.executor import BoundedExecutor
from aegis_kernel.engine.offline import close_roots, open_roots
from aegis_kernel.engine.providers import ask_all
from aegis_kernel.engine.reapplying import Reapplied, reapply, require_newer
from aegis_kernel.engine.records import Scribe
from aegis_kernel.engine.settings import Settings
from aegis_kernel.engine.verification import Verification, Verified, require_masters
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.journal import Entry, Journal


class Restored(msgspec.Struct, frozen=True, rename="camel"):
    """What was restored, and what was done again to it."""

    verified: Verified
    reapplied: tuple[Reapplied, ...]


class Restorer:
    """Looks at backups in a temporary place, and puts one in the journal's place.

    Every method raises BootError with what is wrong and what mends it.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._executor = BoundedExecutor(threads=2, waiting=64)
        self._providers = ask_all(settings, self._clock, self._executor)
        self._kind = settings.chosen("aegis.journal")[0].loaded.installed.name

    async def verify(self, file: Path) -> Verified:
        """Look at everything in the backup, and open every material row with the master key at hand."""
        async with self._examined(file) as (_, _, verified):
            return verified

    async def restore(self, file: Path, newer: Path | None) -> Restored:
        """Verify it, do again what `newer` says was done since, then put it in the empty place.

        `newer` is a later backup, or the store of a journal as it lies there. Nothing is in the place
        before all of that is done.
        """
        async with self._examined(file) as (header, place, verified):
            reapplied: tuple[Reapplied, ...] = ()
            store = self._at(place / "copy")
            await store.open()
            try:
                if newer is not None:
                    async with self._opened_newer(newer, place) as later:
                        await require_newer(store, later)
                        reapplied = await reapply(store, later, Scribe(self._clock), self._now())
                await self._record(store, header, len(reapplied))
            finally:
                await store.aclose()
            await backup_of(self._providers.journal, self._kind).place(place / "copy")
        return Restored(verified, reapplied)

    @asynccontextmanager
    async def _examined(self, file: Path) -> AsyncIterator[tuple[Header, Path, Verified]]:
        header = read_header(file)
        if header.manifest.journal != self._kind:
            raise BootError(
                f"the backup is of a {header.manifest.journal} journal: set AEGIS_JOURNAL_KIND"
            )
        with tempfile.TemporaryDirectory(prefix="aegis-") as name:
            place = Path(name)
            try:
                await open_roots(self._providers)
                require_masters(header, self._providers.roots)
                extract(file, header, place / "copy")
                yield header, place, await self._verified(header, place / "copy")
            finally:
                await close_roots(self._providers)
                await self._providers.journal.aclose()
                self._executor.close()

    async def _verified(self, header: Header, copy: Path) -> Verified:
        store = self._at(copy)
        await store.open()
        try:
            verified = await Verification(store, self._providers.roots).run()
        finally:
            await store.aclose()
        said = header.manifest
        if verified != Verified(
            streams=said.streams, material_rows=said.material_rows, records=said.head
        ):
            raise BootError(f"the backup does not hold what it says: {verified}")
        return verified

    @asynccontextmanager
    async def _opened_newer(self, newer: Path, place: Path) -> AsyncIterator[Journal]:
        copy = place / "newer"
        if is_backup(newer):
            extract(newer, read_header(newer), copy)
        else:
            await backup_of(self._providers.journal, self._kind).salvage(newer, copy)
        store = self._at(copy)
        try:
            await store.open()
            yield store
        except (AegisError, BootError) as error:
            raise BootError(
                f"{newer} cannot be used as the newer journal ({error}); nothing was restored"
            ) from error
        finally:
            await store.aclose()

    async def _record(self, store: Journal, header: Header, reapplied: int) -> None:
        made = header.manifest.created_at.isoformat()
        said = f"the backup of {made}, up to record {header.manifest.head}; {reapplied} reapplied"
        record = Scribe(self._clock).own(Operation.RESTORE, said)
        await store.commit([Entry(expects={}, records=(record,))])

    def _at(self, copy: Path) -> Journal:
        return backup_of(self._providers.journal, self._kind).at(copy)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock.time() * 1000) / 1000, UTC)
