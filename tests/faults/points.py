"""Places in the server at which a process dies at once, as if its power were cut: `NAME@N`.

It dies at the N-th arrival. The methods are wrapped in the one process that the launcher starts.
"""

from __future__ import annotations

import functools
import inspect
import os
import signal
import sqlite3
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from aegis_audit_stdout.sink import StdoutSink
from aegis_journal_sqlite.journal import SqliteJournal
from aegis_journal_sqlite.writer import Writer

from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.engine.commit import Committer
from aegis_kernel.engine.master_rotation import MasterRotation
from aegis_kernel.engine.pipeline import Pipeline
from aegis_kernel.engine.schedule import Sweep

Arrive = Callable[[], None]
_COMMIT = "COMMIT"
_USE = "INSERT INTO ledger"
_MIGRATED = "PRAGMA user_version"


def die_at(point: str) -> None:
    """Have this process die at the point; `before_commit@3` is its third arrival there."""
    name, _, arrival = point.partition("@")
    left = int(arrival or 1)

    def arrive() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.killpg(os.getpgrp(), signal.SIGKILL)

    POINTS[name](arrive)


def before(owner: type, method: str) -> Callable[[Arrive], None]:
    return lambda arrive: _wrap(owner, method, arrive, lambda: None)


def after(owner: type, method: str) -> Callable[[Arrive], None]:
    return lambda arrive: _wrap(owner, method, lambda: None, arrive)


def _wrap(owner: type, method: str, enter: Arrive, leave: Arrive) -> None:
    inner = getattr(owner, method)
    if inspect.iscoroutinefunction(inner):

        @functools.wraps(inner)
        async def waiting(*arguments: Any, **named: Any) -> Any:
            enter()
            answer = await inner(*arguments, **named)
            leave()
            return answer

        setattr(owner, method, waiting)
        return

    @functools.wraps(inner)
    def outer(*arguments: Any, **named: Any) -> Any:
        enter()
        answer = inner(*arguments, **named)
        leave()
        return answer

    setattr(owner, method, outer)


def _statement(marks: str, *, done: bool, in_transaction: bool) -> Callable[[Arrive], None]:
    """Arrive before or after each statement that has `marks` in it."""

    def install(arrive: Arrive) -> None:
        class Watched(sqlite3.Connection):
            def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                if marks not in sql or self.in_transaction is not in_transaction:
                    return super().execute(sql, *parameters)
                if not done:
                    arrive()
                answer = super().execute(sql, *parameters)
                if done:
                    arrive()
                return answer

        sqlite3.connect = functools.partial(sqlite3.connect, factory=Watched)

    return install


def _mid_rotate(arrive: Arrive) -> None:
    """The new version's material is made, and nothing of it committed."""
    inner = Pipeline._entry

    def entry(self: Pipeline, job: Any, *arguments: Any) -> Any:
        if job.declaration.name is Operation.ROTATE:
            arrive()
        return inner(self, job, *arguments)

    Pipeline._entry = entry  # type: ignore[method-assign]


def _mid_destroy(arrive: Arrive) -> None:
    """The material's rows are deleted and committed, their copies still in the write-ahead log."""
    inner = Writer.truncate

    def truncate(self: Writer) -> None:
        if self.owes_truncation and getattr(self, "_attempt", None) is not None:
            arrive()
        inner(self)

    Writer.truncate = truncate  # type: ignore[method-assign]


#: What any load passes by.
UNDER_LOAD: Mapping[str, Callable[[Arrive], None]] = MappingProxyType(
    {
        "before_append": before(Writer, "_write"),
        "after_append": after(Writer, "_write"),
        "before_commit": _statement(_COMMIT, done=False, in_transaction=True),
        "after_commit": _statement(_COMMIT, done=True, in_transaction=True),
        "before_use_commit": _statement(_USE, done=False, in_transaction=False),
        "after_use_commit": _statement(_USE, done=True, in_transaction=False),
        "before_group_commit": before(Committer, "_commit_batch"),
        "before_reply": after(Pipeline, "run"),
        "before_deliver": before(StdoutSink, "deliver"),
        "after_deliver": after(StdoutSink, "deliver"),
        "before_cursor_save": before(SqliteJournal, "advance"),
        "after_cursor_save": after(SqliteJournal, "advance"),
        "mid_rotate": _mid_rotate,
    }
)
#: What needs doomed keys, a rotation of the master key, or an empty place.
AT_WORK: Mapping[str, Callable[[Arrive], None]] = MappingProxyType(
    {
        "mid_destroy": _mid_destroy,
        "mid_sweep": after(Sweep, "_destroy"),
        "before_rewrap_is_adopted": before(MasterRotation, "_adopt"),
        "mid_rewrap": before(MasterRotation, "_require_readable"),
        "before_master_retires": before(MasterRotation, "_say_retired"),
    }
)
AT_BOOT: Mapping[str, Callable[[Arrive], None]] = MappingProxyType(
    {
        "mid_migration": _statement(_MIGRATED, done=False, in_transaction=True),
        "after_migration": _statement(_MIGRATED, done=True, in_transaction=True),
    }
)
POINTS = MappingProxyType({**UNDER_LOAD, **AT_WORK, **AT_BOOT})
