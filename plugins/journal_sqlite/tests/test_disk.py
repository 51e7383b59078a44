"""What fails on disk is never half there and never answered wrongly; it heals by itself."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from aegis_journal_sqlite import SqliteJournal
from aegis_journal_sqlite.writer import Writer

from aegis_kernel import Committed, InternalError, Status, UnavailableError
from aegis_kernel.testing import Breakage, JournalFaultConformance
from aegis_kernel.testing.doubles import ManualClock
from aegis_kernel.testing.journal_entries import change, record, use

_BIG = "x" * 4000


def limit_pages(journal: SqliteJournal, extra: int | None) -> None:
    """Let the database grow by `extra` pages and no more; None for as much as it likes."""
    connection = journal._store.writer._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    most = 2**30 if extra is None else pages + extra
    connection.execute(f"PRAGMA max_page_count = {most}").fetchone()


@contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class NoPages:
    """The database may not grow any more."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    async def begin(self) -> None:
        limit_pages(self._journal, 8)

    async def end(self) -> None:
        limit_pages(self._journal, None)


class NoLongerFiles:
    """No file of this process may grow any more."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._limit: ExitStack | None = None

    async def begin(self) -> None:
        self._limit = ExitStack()
        size = Path(f"{self._file}-wal").stat().st_size
        self._limit.enter_context(no_file_grows_beyond(size + 64 * 1024))

    async def end(self) -> None:
        if self._limit is not None:
            self._limit.close()


class TestFaultsOfTheSqliteJournal(JournalFaultConformance):
    @pytest.fixture
    async def journal(self, file):
        journal = SqliteJournal(file, ManualClock())
        await journal.open()
        yield journal
        await journal.aclose()

    @pytest.fixture(params=["no pages", "no longer files"])
    def breakage(self, request, journal, file) -> Breakage:
        return NoPages(journal) if request.param == "no pages" else NoLongerFiles(file)


async def fill(journal: SqliteJournal) -> tuple[int, UnavailableError]:
    """Commit until the disk is full; return how many commits were acknowledged, and the error."""
    for n in range(1000):
        try:
            await journal.commit([change(f"key/{n}", 0, records=(record(_BIG),))])
        except UnavailableError as error:
            return n, error
    raise AssertionError("the disk never filled")


async def test_a_full_disk_is_unavailable_and_leaves_nothing_half_done(journal):
    limit_pages(journal, 40)
    acknowledged, error = await fill(journal)
    assert error.reason == "SQLITE_FULL"
    assert "disk full" in error.message
    assert "/" not in error.message
    assert await journal.head() == acknowledged
    assert await journal.load(f"key/{acknowledged}") is None
    assert len(await journal.ledger(0, 1000)) == acknowledged


async def test_health_tells_of_a_full_disk_until_it_takes_writes_again(journal, file):
    limit_pages(journal, 40)
    acknowledged, _ = await fill(journal)
    # A small write would fit, and would prove nothing.
    with no_file_grows_beyond(Path(f"{file}-wal").stat().st_size + 64 * 1024):
        health = await journal.check()
        assert health.status is Status.UNAVAILABLE
        assert "SQLITE_" in (health.detail or "")
    assert (await journal.check()).status is Status.OK
    await journal.commit([use(record())])
    assert await journal.head() == acknowledged + 1


async def test_commits_work_again_when_space_is_back(journal):
    limit_pages(journal, 40)
    acknowledged, _ = await fill(journal)
    limit_pages(journal, None)
    answer = await journal.commit([change(f"key/{acknowledged}", 0, records=(record(_BIG),))])
    assert answer == [Committed()]
    assert (await journal.check()).status is Status.OK
    positions = [found.position for found in await journal.ledger(0, 1000)]
    assert positions == list(range(1, acknowledged + 2))


@pytest.mark.parametrize("kind", ["use", "change"])
async def test_a_write_error_of_the_disk_is_unavailable_and_heals(journal, file, kind):
    def entry(text: str):
        return use(record(text), key_a=1) if kind == "use" else change("key/b", 0)

    await journal.commit([change("key/a", 0)])
    with no_file_grows_beyond(Path(f"{file}-wal").stat().st_size):
        with pytest.raises(UnavailableError) as refused:
            await journal.commit([entry(_BIG)])
        assert str(refused.value.reason).startswith("SQLITE_IOERR")
        assert (await journal.load("key/b")) is None
    assert await journal.commit([entry("small")]) == [Committed()]
    assert (await journal.check()).status is Status.OK


class LosesAnswers(sqlite3.Connection):
    """Fails at the statement that makes a commit durable: before it is done, or just after."""

    after = False

    def execute(self, sql, *parameters):
        if sql != "COMMIT" and (self.in_transaction or "INSERT INTO ledger" not in sql):
            return super().execute(sql, *parameters)
        if self.after:
            super().execute(sql, *parameters)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
        raise error


def replace_connection(writer: Writer, file: Path, after: bool) -> None:
    writer._connection.close()
    writer._connection = sqlite3.connect(
        file, isolation_level=None, check_same_thread=False, factory=LosesAnswers
    )
    writer._connection.after = after


ENTRIES = {
    "a use": use(record()),
    "a change with a record": change("key/a", 0, records=(record(),)),
    "a change without a record": change("key/a", 0),
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_a_commit_that_happened_is_answered_though_its_answer_was_lost(file, entry):
    writer = Writer(file)
    replace_connection(writer, file, after=True)
    assert writer.commit([entry], 0) == [Committed()]
    assert writer.commit([use(record())], 0) == [Committed()]
    assert writer._connection.execute("SELECT count(*) FROM ledger").fetchone() == (
        len(entry.records) + 1,
    )
    writer.close()


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_a_commit_that_did_not_happen_is_not_claimed(file, entry):
    writer = Writer(file)
    replace_connection(writer, file, after=False)
    with pytest.raises(UnavailableError):
        writer.commit([entry], 0)
    assert writer.failure == "SQLITE_IOERR_FSYNC"
    assert writer.commit([entry], 0) == [Committed()]
    assert writer.failure is None
    writer.close()


async def test_a_missing_position_in_the_ledger_is_never_skipped(journal, file):
    await journal.commit([use(record(), record(), record())])
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("DELETE FROM ledger WHERE position = 2")
    connection.close()
    assert [found.position for found in await journal.ledger(0, 1)] == [1]
    for after in (0, 1):
        with pytest.raises(InternalError):
            await journal.ledger(after, 3)


async def test_a_position_taken_by_a_stranger_costs_one_commit_and_no_record(journal, file):
    await journal.commit([use(record())])
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("INSERT INTO ledger VALUES (2, X'7B7D')")
    connection.close()
    with pytest.raises(InternalError):
        await journal.commit([use(record())])
    assert await journal.commit([use(record())]) == [Committed()]
    assert [found.position for found in await journal.ledger(0, 9)] == [1, 2, 3]


async def test_a_record_of_two_lines_is_refused_whole(journal):
    with pytest.raises(InternalError):
        await journal.commit([use(record()), use(record("a\nb"))])
    with pytest.raises(InternalError):
        await journal.commit([change("key/a", 0, records=(record("a\nb"),))])
    assert await journal.head() == 0
    assert await journal.load("key/a") is None
    assert await journal.commit([change("key/a", 0, records=(record(),))]) == [Committed()]
