"""The journal opens only where it can keep its promises, and says what mends it where it cannot."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from aegis_journal_sqlite import SqliteJournal
from aegis_journal_sqlite.connection import connect_writer, verify
from aegis_journal_sqlite.schema import VERSION

from aegis_kernel import Attributes, BootError, Query, UnavailableError
from aegis_kernel.testing.doubles import ManualClock
from aegis_kernel.testing.journal_entries import change

_HOLD = """
import asyncio, sys
from pathlib import Path
from aegis_journal_sqlite import SqliteJournal
from aegis_kernel import BootError
from aegis_kernel.testing.doubles import ManualClock

async def main():
    journal = SqliteJournal(Path(sys.argv[1]), ManualClock())
    try:
        await journal.open()
    except BootError as error:
        print("refused:", error, flush=True)
    else:
        print("open", flush=True)
        sys.stdin.read()
    await journal.aclose()

asyncio.run(main())
"""


def journal_at(file: Path) -> SqliteJournal:
    return SqliteJournal(file, ManualClock())


async def open_and_close(file: Path) -> None:
    journal = journal_at(file)
    await journal.open()
    await journal.aclose()


@asynccontextmanager
async def opened_at(file: Path) -> AsyncIterator[SqliteJournal]:
    journal = journal_at(file)
    await journal.open()
    yield journal
    await journal.aclose()


async def refusal(file: Path) -> str:
    journal = journal_at(file)
    with pytest.raises(BootError) as refused:
        await journal.open()
    await journal.aclose()
    return str(refused.value)


@contextmanager
def not_as_root() -> Iterator[None]:
    """Root may write anywhere; nobody may not."""
    user = os.geteuid()
    os.seteuid(user or 65_534)
    try:
        yield
    finally:
        os.seteuid(user)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_files_are_made_for_their_owner_alone(tmp_path):
    journal = journal_at(tmp_path / "data" / "aegis.db")
    await journal.open()
    try:
        assert mode(tmp_path / "data") == 0o700
        files = sorted((tmp_path / "data").iterdir())
        assert [file.name for file in files] == [
            "aegis.db",
            "aegis.db-shm",
            "aegis.db-wal",
            "aegis.db.lock",
        ]
        assert {mode(file) for file in files} == {0o600}
    finally:
        await journal.aclose()


async def test_a_second_process_is_refused(tmp_path):
    journal = journal_at(tmp_path / "aegis.db")
    await journal.open()
    child = subprocess.run(
        [sys.executable, "-c", _HOLD, tmp_path / "aegis.db"],
        input="",
        capture_output=True,
        text=True,
    )
    await journal.aclose()
    assert "one process at a time" in child.stdout
    assert "AEGIS_JOURNAL_SQLITE_FILE" in child.stdout


async def test_a_file_that_another_process_holds_is_refused_until_that_process_dies(tmp_path):
    command = [sys.executable, "-c", _HOLD, tmp_path / "aegis.db"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        assert "in use" in await refusal(tmp_path / "aegis.db")
        child.kill()
        child.wait()
    await open_and_close(tmp_path / "aegis.db")


async def test_a_second_opening_in_one_process_is_refused_by_any_name_of_the_file(tmp_path):
    journal = journal_at(tmp_path / "aegis.db")
    await journal.open()
    (tmp_path / "alias.db").symlink_to(tmp_path / "aegis.db")
    assert "in use" in await refusal(tmp_path / "aegis.db")
    assert "in use" in await refusal(tmp_path / "alias.db")
    assert await journal.head() == 0
    await journal.aclose()
    await open_and_close(tmp_path / "alias.db")


async def test_a_newer_schema_is_refused_and_left_alone(tmp_path):
    file = tmp_path / "aegis.db"
    await open_and_close(file)
    with sqlite3.connect(file) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    text = await refusal(file)
    assert f"schema {VERSION + 1}" in text
    assert "install that release" in text
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)
    connection.close()


async def test_a_migration_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    broken = ("CREATE TABLE half (id INTEGER)", "CREATE TABLE half (id INTEGER)")
    with monkeypatch.context() as patch:
        patch.setattr("aegis_journal_sqlite.schema._MIGRATIONS", (broken,))
        await refusal(tmp_path / "aegis.db")
    await open_and_close(tmp_path / "aegis.db")


async def test_another_programs_database_is_refused(tmp_path):
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE theirs (id INTEGER)")
    connection.close()
    assert "not an Aegis journal" in await refusal(tmp_path / "other.db")


async def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("shopping list\n" * 500)
    assert "SQLITE_NOTADB" in await refusal(tmp_path / "notes.txt")


async def test_a_directory_that_cannot_be_made_is_refused_with_the_setting_to_change(tmp_path):
    (tmp_path / "file").touch()
    assert "AEGIS_DATA_DIR" in await refusal(tmp_path / "file" / "aegis.db")


async def test_a_directory_without_permission_is_refused(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with not_as_root():
        assert "Permission denied" in await refusal(tmp_path / "locked" / "aegis.db")


@pytest.mark.parametrize(
    "pragma",
    ["synchronous = NORMAL", "secure_delete = OFF", "foreign_keys = OFF", "journal_mode = DELETE"],
)
def test_a_promise_that_sqlite_does_not_keep_stops_the_boot(tmp_path, pragma):
    connection = connect_writer(tmp_path / "aegis.db")
    verify(connection)
    connection.execute(f"PRAGMA {pragma}").fetchall()
    with pytest.raises(BootError, match=pragma.split()[0]):
        verify(connection)
    connection.close()


async def test_a_closed_journal_answers_unavailable(tmp_path):
    journal = journal_at(tmp_path / "aegis.db")
    await journal.open()
    await journal.aclose()
    with pytest.raises(UnavailableError):
        await journal.load("key/a")
    with pytest.raises(UnavailableError):
        await journal.commit([])


async def test_closing_leaves_one_file_with_everything_in_it(tmp_path):
    await open_and_close(tmp_path / "aegis.db")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["aegis.db", "aegis.db.lock"]


async def test_a_journal_of_the_first_schema_is_brought_up_to_date(tmp_path):
    file = tmp_path / "aegis.db"
    await open_and_close(file)
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE idempotency")
        connection.execute("DROP INDEX streams_by_owner")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    await open_and_close(file)
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert connection.execute("SELECT count(*) FROM idempotency").fetchone() == (0,)
    connection.close()


async def test_keys_of_the_second_schema_are_found_by_their_owner(tmp_path):
    file = tmp_path / "aegis.db"
    async with opened_at(file) as journal:
        owners = [Attributes(owner=owner) for owner in "abcab"]
        await journal.commit([change(f"key/{n}", 0, attributes=o) for n, o in enumerate(owners)])
    with sqlite3.connect(file) as connection:
        connection.execute("DROP INDEX streams_by_owner")
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    async with opened_at(file) as journal:
        page = await journal.find(Query(prefix="key/", owner="b"))
    assert [found.stored.stream for found in page.items] == ["key/1", "key/4"]
