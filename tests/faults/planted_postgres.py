"""Bugs of a journal on Postgres, each of which a protocol must notice, and a place to freeze at."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aegis_journal_postgres import writer
from aegis_journal_postgres.batch import Batch
from aegis_journal_postgres.connect import Connection, Link
from aegis_journal_postgres.function import COMMIT
from aegis_journal_postgres.writer import _Attempt

from aegis_kernel.engine.records import Scribe

_call = writer._call

#: To be run on the database: a commit without its locks, and with time to be overtaken between the
#: judgement and the writing; and tables that do not notice that a version is made twice.
WITHOUT_LOCKS = (
    COMMIT.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    .replace("FOR n IN 1..cardinality(locks) LOOP", "FOR n IN 1..0 LOOP")
    .replace("has_scope := false;", "has_scope := false; PERFORM pg_sleep(0.01);", 1)
    + "ALTER TABLE aegis.events DROP CONSTRAINT events_pkey;"
    "ALTER TABLE aegis.material DROP CONSTRAINT material_pkey;"
)


def keeps_lost_connections() -> None:
    """Make every connection once, and never another in its place."""
    connect, drop = Link.connection, Link.drop

    async def same(self: Link) -> Connection:
        if self._connection is None:
            return await connect(self)
        return self._connection

    async def keep(self: Link) -> None:
        if self._connection is not None and not self._connection.closed:
            await drop(self)

    Link.connection = same  # type: ignore[method-assign]
    Link.drop = keep  # type: ignore[method-assign]


def decides_anew() -> None:
    """Take a commit whose answer was lost for one that has not happened."""
    settle, effect = _Attempt.settle, Scribe.effect

    class Forgetful(dict[str, Any]):
        def __ior__(self, other: Any) -> Forgetful:
            self.update(other)
            return self

        def __setitem__(self, name: str, value: Any) -> None:
            super().__setitem__(name, False if name == "again" else value)

    async def forget(self: _Attempt) -> Any:
        self._batch.parameters = Forgetful(self._batch.parameters)
        return await settle(self)

    def renamed(self: Scribe, event_id: str, *rest: Any) -> Any:
        return effect(self, self.new_event_id(), *rest)

    _Attempt.settle = forget  # type: ignore[method-assign]
    Scribe.effect = renamed  # type: ignore[method-assign]


def freezes_before_the_commit(flag: str) -> None:
    """Stop this process once, between the locks and COMMIT of a use, when the file `flag` is there.

    So that there is such a place at all, the one call is made in a transaction of its own.
    """

    async def call(connection: Connection, batch: Batch) -> Sequence[int]:
        if not (_is_use(batch) and Path(flag).exists()):
            return await _call(connection, batch)
        Path(flag).unlink()
        async with connection.transaction():
            answer = await _call(connection, batch)
            os.kill(os.getpid(), signal.SIGSTOP)
        return answer

    writer._call = call


def _is_use(batch: Batch) -> bool:
    return any(b'"op":"Encrypt"' in body for body in batch.parameters["r_body"])
