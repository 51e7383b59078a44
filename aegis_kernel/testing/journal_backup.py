"""The laws of a journal that can be backed up, beside those of every journal."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from aegis_kernel.domain.errors import BootError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.spi.journal import Journal, LedgerRecord, Query
from aegis_kernel.spi.journal_backup import JournalBackup
from aegis_kernel.testing.journal_entries import change, put, record, use


class JournalBackupConformance:
    """Override `journal` and `vacant`; run pytest-asyncio in auto mode."""

    @pytest.fixture
    async def journal(self) -> Journal:
        """An opened journal with an empty store; close it afterwards."""
        raise NotImplementedError("override the fixture `journal`")

    @pytest.fixture
    def vacant(self) -> Callable[[], Journal]:
        """A function that builds a journal over one and the same other place, empty at first."""
        raise NotImplementedError("override the fixture `vacant`")

    async def test_a_copy_holds_all_that_was_committed_before(
        self, journal: Journal, tmp_path: Path
    ) -> None:
        keeper = _as_backup(journal)
        await _fill(journal, 300)
        await keeper.backup(tmp_path / "copy")
        expected = await _contents(journal)
        await journal.commit([use(record("later"))])
        async with _opened(keeper.at(tmp_path / "copy")) as copy:
            assert await _contents(copy) == expected
            await _as_backup(copy).examine()

    async def test_a_copy_is_one_file_for_its_owner_alone(
        self, journal: Journal, tmp_path: Path
    ) -> None:
        keeper, place = _as_backup(journal), tmp_path / "place"
        place.mkdir()
        before = os.umask(0)
        try:
            await keeper.backup(place / "copy")
        finally:
            os.umask(before)
        assert list(place.iterdir()) == [place / "copy"]
        assert stat.S_IMODE((place / "copy").stat().st_mode) == 0o600

    async def test_commits_go_on_meanwhile_and_are_in_it_whole_or_not_at_all(
        self, journal: Journal, tmp_path: Path
    ) -> None:
        keeper = _as_backup(journal)
        await _fill(journal, 500)
        copying = asyncio.create_task(keeper.backup(tmp_path / "copy"))
        number = 0
        while not copying.done():
            number += 1
            name = f"during-{number}"
            entry = change(f"key/{name}", 0, records=(record(name),), material=(put(name, 1),))
            await journal.commit([entry])
        await copying
        async with _opened(keeper.at(tmp_path / "copy")) as copy:
            for n in range(1, number + 1):
                has = (
                    await copy.load(f"key/during-{n}"),
                    await copy.material(KeyId(f"during-{n}"), 1),
                )
                assert (has[0] is None) == (has[1] is None)
            records = await copy.ledger(0, 10_000)
            assert [r.position for r in records] == list(range(1, len(records) + 1))
            assert len(records) >= 500

    async def test_a_copy_is_put_into_an_empty_place_alone(
        self, journal: Journal, vacant: Callable[[], Journal], tmp_path: Path
    ) -> None:
        keeper = _as_backup(journal)
        await _fill(journal, 5)
        await keeper.backup(tmp_path / "copy")
        await _as_backup(vacant()).place(tmp_path / "copy")
        async with _opened(vacant()) as placed:
            assert await _contents(placed) == await _contents(journal)
            await placed.commit([use(record("newer"))])
            assert await placed.head() == 6
            with pytest.raises(BootError):
                await _as_backup(vacant()).place(tmp_path / "copy")
        with pytest.raises(BootError):
            await _as_backup(vacant()).place(tmp_path / "copy")
        async with _opened(vacant()) as placed:
            assert await placed.head() == 6


def _as_backup(journal: Journal) -> JournalBackup:
    assert isinstance(journal, JournalBackup)
    assert journal.schema_version >= 1
    return journal


@asynccontextmanager
async def _opened(journal: Journal) -> AsyncIterator[Journal]:
    try:
        await journal.open()
        yield journal
    finally:
        await journal.aclose()


async def _fill(journal: Journal, number: int) -> None:
    entries = [
        change(f"key/{n}", 0, records=(record(str(n)),), material=(put(str(n), 1),))
        for n in range(number)
    ]
    await journal.commit(entries)


async def _contents(
    journal: Journal,
) -> tuple[object, object, Sequence[LedgerRecord]]:
    page = await journal.find(Query(prefix="", limit=500))
    return page, await journal.material_page(None, 500), await journal.ledger(0, 10_000)
