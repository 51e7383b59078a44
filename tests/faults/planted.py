"""Bugs, each of which a protocol must notice. They live here, and in no switch of the product."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Coroutine, Sequence
from typing import Any

import msgspec
from aegis_journal_sqlite import connection as sqlite
from aegis_journal_sqlite.writer import Writer

from aegis_kernel.engine.commit import Committer
from aegis_kernel.engine.patrol import Patrol
from aegis_kernel.spi.journal import Committed, Entry

_tasks: set[asyncio.Task[Any]] = set()


def answers_first(milliseconds: str = "20") -> None:
    """Answer, and commit a moment later."""
    commit = Committer.commit

    async def later(self: Committer, entry: Entry) -> Any:
        await asyncio.sleep(int(milliseconds) / 1000)
        return await commit(self, entry)

    async def at_once(self: Committer, entry: Entry) -> Committed:
        _in_background(later(self, entry))
        return Committed()

    Committer.commit = at_once  # type: ignore[method-assign]


def _in_background(work: Coroutine[Any, Any, Any]) -> None:
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def records_after_the_commit() -> None:
    """Commit the audit records in a transaction of their own, after that of the events."""
    commit = Writer._commit_judged

    def apart(self: Writer, entries: Sequence[Entry], now: int) -> Any:
        bare = [msgspec.structs.replace(entry, records=()) for entry in entries]
        verdicts = commit(self, bare, now)
        won = zip(entries, verdicts, strict=True)
        records = tuple(
            r for entry, verdict in won if verdict == Committed() for r in entry.records
        )
        commit(self, [Entry(expects={}, records=records)], now)
        return verdicts

    Writer._commit_judged = apart  # type: ignore[method-assign]


def swallows_errors_of_the_disk() -> None:
    """Answer that a commit which failed has happened."""

    def settle(self: Writer, error: sqlite3.Error) -> Any:
        self._reconnect()
        return self._attempt[0].verdicts if self._attempt else [Committed()]

    Writer._settle = settle  # type: ignore[method-assign]


def believes_the_clock_at_once() -> None:
    """Destroy a key at the first sighting after its time."""
    patrol = Patrol.__init__

    def hasty(self: Patrol, journal: Any, clock: Any, seconds: float, is_due: Any) -> None:
        patrol(self, journal, clock, 0.0, is_due)

    Patrol.__init__ = hasty  # type: ignore[method-assign]


def syncs_less() -> None:
    """Run SQLite with synchronous=NORMAL: the log is not synced at a commit."""
    pragmas = tuple(p.replace("synchronous = FULL", "synchronous = NORMAL") for p in sqlite._WRITER)
    sqlite._WRITER = pragmas
    sqlite.PROMISES = dict(sqlite.PROMISES) | {"synchronous": 1}
