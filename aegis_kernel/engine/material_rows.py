"""Every material row of a journal, page by page, with the binding that it must open for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec

from aegis_kernel.domain.key import Key, KeyId, key_stream
from aegis_kernel.engine.streams import decode_snapshot
from aegis_kernel.spi.journal import Journal, MaterialRow
from aegis_kernel.spi.root_of_trust import Binding, Material

# What is worked on between two looks at the event loop, and committed together: some milliseconds.
PAGE_ROWS = 50


class BoundRow(msgspec.Struct, frozen=True):
    """A row, and the key that it belongs to; None where the journal has no such key or version."""

    row: MaterialRow
    key: Key | None

    @property
    def material(self) -> Material:
        return self.row.material

    @property
    def binding(self) -> Binding | None:
        if self.key is None:
            return None
        return Binding(self.key.id, self.row.version, self.key.spec)

    def __str__(self) -> str:
        return f"version {self.row.version} of key {self.row.key_id}"


async def material_pages(journal: Journal) -> AsyncIterator[Sequence[BoundRow]]:
    """Yield all rows in order; those that come or go meanwhile may be among them or not."""
    after = None
    while page := await journal.material_page(after, PAGE_ROWS):
        yield await _bind(journal, page)
        after = (page[-1].key_id, page[-1].version)


async def _bind(journal: Journal, page: Sequence[MaterialRow]) -> Sequence[BoundRow]:
    keys = {key_id: await _key(journal, key_id) for key_id in {row.key_id for row in page}}
    return [BoundRow(row, _having(keys[row.key_id], row.version)) for row in page]


async def _key(journal: Journal, key_id: KeyId) -> Key | None:
    stored = await journal.load(key_stream(key_id))
    return decode_snapshot(stored.snapshot) if stored else None


def _having(key: Key | None, version: int) -> Key | None:
    return key if key is not None and key.version(version) is not None else None
