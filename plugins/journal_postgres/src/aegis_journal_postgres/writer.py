"""Commits: one connection, one call a batch, and what is done when its answer is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import psycopg
from psycopg import errors

from aegis_journal_postgres.batch import Batch, Verdict, batches
from aegis_journal_postgres.connect import Connection, Link, deadline, warnings_of
from aegis_journal_postgres.errors import TRANSIENT, error_name, is_lost, refused
from aegis_kernel import Entry, InternalError, UnavailableError

#: After this long a commit has no known outcome: the connection is cut and the records looked up.
CALL_SECONDS = 7.0
#: How long a batch is tried again before its callers hear that the journal cannot answer.
TRY_SECONDS = 12.0

_TRIES = 5
_PAUSE_SECONDS = 0.05


class Writer:
    """Commits one batch at a time; a batch that may have happened is settled, never decided anew."""

    def __init__(self, link: Link) -> None:
        self._link = link
        #: The name of the error of the last commit, None when it succeeded.
        self.failure: str | None = None

    async def commit(self, entries: Sequence[Entry], now: int) -> list[Verdict]:
        """Commit as the port says, at `now` (microseconds since the Unix epoch).

        Entries that need more than 128 locks together go in several transactions, one after the
        other. Whoever waits may be cancelled; the commit is not.
        """
        work = asyncio.create_task(self._commit(entries, now))
        return await asyncio.shield(work)

    async def _commit(self, entries: Sequence[Entry], now: int) -> list[Verdict]:
        verdicts: list[Verdict] = []
        async with self._link.turn:
            for batch in batches(entries):
                verdicts += await _Attempt(self._link, batch, now).settle()
        return verdicts


class _Attempt:
    """One batch on its way, over as many connections as it takes."""

    def __init__(self, link: Link, batch: Batch, now: int) -> None:
        self._link = link
        self._batch = batch
        self._batch.parameters |= {"now": now, "again": False}

    async def settle(self) -> list[Verdict]:
        """Return the verdicts. Raises UnavailableError when they cannot be had in time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + TRY_SECONDS
        failures = 0
        while True:
            try:
                return await self._call()
            except _NotSettledError as failure:
                failures += 1
                is_hopeless = failures >= _TRIES and not self._batch.parameters["again"]
                if is_hopeless or loop.time() >= until:
                    raise failure.error from failure.error.__cause__
            await asyncio.sleep(min(1.0, _PAUSE_SECONDS * 2**failures))

    async def _call(self) -> list[Verdict]:
        try:
            connection = await self._link.connection()
        except UnavailableError as error:
            if self._batch.parameters["again"]:
                raise _NotSettledError(error) from error
            raise
        try:
            with deadline(connection, CALL_SECONDS), warnings_of(connection) as warnings:
                answer = await _call(connection, self._batch)
        except psycopg.Error as error:
            raise await self._judge(connection, error) from error
        if connection.info.parameter_status("in_hot_standby") == "on":
            raise InternalError("A standby took a commit")
        if warnings:
            # Such as the wait for a replica having been cancelled: committed, but not yet safe.
            self._batch.parameters["again"] = True
            await self._link.drop()
            raise _NotSettledError(
                UnavailableError("The journal cannot answer now", reason="warned at the commit")
            )
        return self._batch.verdicts(answer)

    async def _judge(self, connection: Connection, error: psycopg.Error) -> Exception:
        """Return what to raise: that it may be tried again, or that it has failed for good."""
        unavailable = UnavailableError("The journal cannot answer now", reason=error_name(error))
        unavailable.__cause__ = error
        if is_lost(connection, error):
            # Perhaps the server has committed and only its answer is lost.
            self._batch.parameters["again"] |= not isinstance(error, errors.ReadOnlySqlTransaction)
            await self._link.drop()
            return _NotSettledError(unavailable)
        if isinstance(error, TRANSIENT):
            return _NotSettledError(unavailable)
        if isinstance(error, errors.UniqueViolation):
            return self._contradicts(error, unavailable)
        if self._batch.parameters["again"] and isinstance(error, psycopg.OperationalError):
            # Such as the locks being held by the very call that is to be settled.
            return _NotSettledError(unavailable)
        return refused(error)

    def _contradicts(self, error: psycopg.Error, unavailable: UnavailableError) -> Exception:
        is_of_ledger = (error.diag.table_name or "").startswith("ledger")
        if is_of_ledger and not self._batch.parameters["again"]:
            # An earlier call of the same entry has arrived after all.
            self._batch.parameters["again"] = True
            return _NotSettledError(unavailable)
        return InternalError("An entry contradicts what is stored", reason=error_name(error))


class _NotSettledError(Exception):
    """This try came to nothing that is known; `error` is what to say when there is no further one."""

    def __init__(self, error: UnavailableError) -> None:
        super().__init__(error.message)
        self.error = error


async def _call(connection: Connection, batch: Batch) -> Sequence[int]:
    cursor = await connection.execute(batch.call.encode(), batch.parameters, binary=True)
    row = await cursor.fetchone()
    if row is None:
        raise InternalError("The journal gave no verdicts")
    answer: Sequence[int] = row[0]
    return answer
