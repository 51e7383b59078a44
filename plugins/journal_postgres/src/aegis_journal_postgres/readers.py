"""The pool of connections for reads: bounded, each made when it is first needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from aegis_journal_postgres.connect import Dialler, Link, deadline
from aegis_journal_postgres.errors import TRANSIENT, error_name, is_lost, refused
from aegis_kernel import UnavailableError

READ_SECONDS = 5.0
#: How long a read waits for its turn before it is refused.
WAIT_SECONDS = 2.0

_TRIES = 3

Row = tuple[Any, ...]


class Readers:
    """A read that meets a lost connection is done again over a new one: a read changes nothing.

    A pool of psycopg's own would look at each connection before each read, one round trip more, and
    after an outage would wait for many seconds.
    """

    def __init__(self, dialler: Dialler, size: int) -> None:
        self._links = [Link(dialler) for _ in range(size)]
        self._free = list(self._links)
        self._turns = asyncio.Semaphore(size)

    async def rows(
        self, statement: str, parameters: Sequence[Any] = (), *, prepare: bool | None = None
    ) -> list[Row]:
        """Return the rows of one statement, which sees all that is committed.

        Raises UnavailableError when no connection is free in time or to be had.
        """
        async with self._link() as link:
            for _ in range(_TRIES - 1):
                try:
                    return await self._read(link, statement, parameters, prepare)
                except _AgainError:
                    continue
            try:
                return await self._read(link, statement, parameters, prepare)
            except _AgainError as failure:
                raise failure.error from failure

    async def aclose(self) -> None:
        for link in self._links:
            await link.drop()

    @asynccontextmanager
    async def _link(self) -> AsyncIterator[Link]:
        if self._turns.locked():
            try:
                await asyncio.wait_for(self._turns.acquire(), WAIT_SECONDS)
            except TimeoutError:
                raise UnavailableError("The journal is behind; try again in a moment") from None
        else:
            await self._turns.acquire()
        link = self._free.pop()
        try:
            yield link
        finally:
            self._free.append(link)
            self._turns.release()

    async def _read(
        self, link: Link, statement: str, parameters: Sequence[Any], prepare: bool | None
    ) -> list[Row]:
        connection = await link.connection()
        try:
            with deadline(connection, READ_SECONDS):
                cursor = await connection.execute(
                    statement.encode(), parameters, prepare=prepare, binary=True
                )
                return await cursor.fetchall()
        except psycopg.Error as error:
            if is_lost(connection, error) or isinstance(error, TRANSIENT):
                if is_lost(connection, error):
                    await link.drop()
                reason = error_name(error)
                unavailable = UnavailableError("The journal cannot answer now", reason=reason)
                raise _AgainError(unavailable) from error
            raise refused(error) from error
        except BaseException:
            # Cancelled in the middle: what this connection would answer next is not known.
            await link.drop()
            raise


class _AgainError(Exception):
    def __init__(self, error: UnavailableError) -> None:
        super().__init__(error.message)
        self.error = error
