"""Connections: how one is made, what it must promise, and how it is replaced when it is lost."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import errors

from aegis_journal_postgres.address import Address
from aegis_journal_postgres.errors import error_name
from aegis_kernel import BootError, UnavailableError

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_LONGEST_PAUSE_SECONDS = 1.0

# The limits bound what a statement that waits can hold up. Sessions keep their durability even if
# the server's default is changed later. Every statement here is written for an index; statistics
# of a table that has just begun to grow would say otherwise.
_SESSION = """
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE;
SET client_encoding = 'UTF8';
SET search_path = aegis;
SET lock_timeout = '2s';
SET statement_timeout = '5s';
SET idle_in_transaction_session_timeout = '5s';
SET client_min_messages = 'warning';
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET jit = off;
"""

_PROMISES = """
SELECT current_setting('server_version_num')::int, current_setting('fsync'),
    current_setting('full_page_writes'), current_setting('synchronous_commit'),
    current_setting('server_encoding'),
    set_config('synchronous_commit', current_setting('synchronous_commit'), false)"""

# A promoted replica counts a timeline more than the primary that it was copied from.
_TIMELINE = "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"

_OLDEST = 140_000


class Dialler:
    """Makes connections; after a failure the next tries wait, so that an outage is no storm."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._failures = 0
        self._not_before = 0.0
        #: The newest timeline that any connection has met; 0 where the server does not tell.
        self.timeline = 0

    async def connect(self) -> Connection:
        """Return a new connection with the session that every one has.

        Raises UnavailableError, and BootError where the server cannot keep the journal's promises.
        """
        now = asyncio.get_running_loop().time()
        if now < self._not_before:
            raise UnavailableError(
                "The journal cannot be reached now", reason="waiting to reconnect"
            )
        try:
            connection = await self._dial()
        except psycopg.Error as error:
            self._failures = min(self._failures + 1, 6)
            pause = min(_LONGEST_PAUSE_SECONDS, 0.02 * 2**self._failures)
            self._not_before = asyncio.get_running_loop().time() + pause
            reason = error_name(error)
            raise UnavailableError("The journal cannot be reached now", reason=reason) from error
        self._failures = 0
        return connection

    async def _dial(self) -> Connection:
        connection = await psycopg.AsyncConnection.connect(
            **self._address.parameters(), autocommit=True, prepare_threshold=2
        )
        try:
            with deadline(connection, 5.0):
                await connection.execute(_SESSION)
                row = await (await connection.execute(_PROMISES)).fetchone()
                _verify(row or ())
                await self._refuse_an_old_primary(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _refuse_an_old_primary(self, connection: Connection) -> None:
        """Raise OperationalError for a primary from before a failover that this process has seen."""
        try:
            row = await (await connection.execute(_TIMELINE)).fetchone()
        except (errors.FeatureNotSupported, errors.InsufficientPrivilege):
            return  # a managed server that keeps its log to itself, and its failovers too
        found = int(row[0]) if row else 0
        if found < self.timeline:
            raise psycopg.OperationalError("a primary from before the failover")
        self.timeline = found


class Link:
    """One connection, made anew when it is lost. Its user takes turns by `turn`."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler
        self._connection: Connection | None = None
        self._timeline = 0
        self.turn = asyncio.Lock()

    async def connection(self) -> Connection:
        """Return the connection. Raises UnavailableError when there is none to be had."""
        if self._timeline < self._dialler.timeline:
            await self.drop()
        if self._connection is None or self._connection.closed:
            self._connection = await self._dialler.connect()
            self._timeline = self._dialler.timeline
        return self._connection

    async def drop(self) -> None:
        """Close the connection; the next use makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error, OSError):
                await connection.close()


@contextmanager
def deadline(connection: Connection, seconds: float) -> Iterator[None]:
    """Cut the connection when the body takes longer: what is under way then has no known outcome.

    Nothing is cancelled on the server: a COMMIT that is cancelled while it waits for a replica
    reports success without it.
    """
    timer = asyncio.get_running_loop().call_later(seconds, _cut, connection)
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def warnings_of(connection: Connection) -> Iterator[list[str]]:
    """Collect what the server warns of meanwhile, by SQLSTATE."""
    heard: list[str] = []

    def hear(notice: errors.Diagnostic) -> None:
        heard.append(notice.sqlstate or "")

    connection.add_notice_handler(hear)
    try:
        yield heard
    finally:
        connection.remove_notice_handler(hear)


def warn_without_tls(connection: Connection, address: Address) -> None:
    """Say so at boot when a connection to another machine is not encrypted."""
    if not address.is_local and not connection.pgconn.ssl_in_use:
        logging.getLogger("aegis").warning(
            "the connection to Postgres is not encrypted: add sslmode=verify-full to the URL"
        )


def _cut(connection: Connection) -> None:
    # Shut down, not closed: whoever waits for the socket is woken by the end of its stream.
    with (
        suppress(psycopg.Error, OSError),
        socket.socket(fileno=os.dup(connection.fileno())) as again,
    ):
        again.shutdown(socket.SHUT_RDWR)


def _verify(row: tuple[Any, ...]) -> None:
    version, fsync, full_page_writes, synchronous_commit, encoding, _ = row
    if version < _OLDEST:
        raise BootError("The server is older than PostgreSQL 14: upgrade it to 14 or later")
    if fsync != "on" or full_page_writes != "on":
        raise BootError(
            "The server has fsync or full_page_writes off and loses data with its power: set"
            " fsync = on and full_page_writes = on in postgresql.conf and reload it"
        )
    if synchronous_commit in ("off", "local"):
        raise BootError(
            f"synchronous_commit is {synchronous_commit} for this role: an acknowledged commit could"
            " be lost; ALTER ROLE … SET synchronous_commit = on (remote_apply with replicas)"
        )
    if encoding != "UTF8":
        raise BootError(
            f"The database's encoding is {encoding}: create one with ENCODING 'UTF8' TEMPLATE"
            " template0 and name it in AEGIS_JOURNAL_POSTGRES_URL"
        )
