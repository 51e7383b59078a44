"""The port: commits over one connection, leases over another, reads over a small pool."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg

from aegis_journal_postgres import boot, search
from aegis_journal_postgres.address import Address
from aegis_journal_postgres.connect import Dialler, Link, warn_without_tls
from aegis_journal_postgres.leadership import Leadership
from aegis_journal_postgres.readers import Readers, Row
from aegis_journal_postgres.schema import migrate, prepare_ledger
from aegis_journal_postgres.writer import Writer
from aegis_kernel import (
    HEALTHY,
    AegisError,
    BootError,
    Clock,
    Committed,
    Conflict,
    Entry,
    Health,
    IdempotencyRow,
    InternalError,
    Journal,
    KeyId,
    Lease,
    LedgerRecord,
    Material,
    MaterialRow,
    Page,
    Query,
    Secret,
    Stored,
    UnavailableError,
)

_PREPARE_SECONDS = 6 * 3600.0

_LOAD = "SELECT sequence, snapshot FROM aegis.streams WHERE stream = %s"
_HISTORY = """
SELECT e.body FROM aegis.streams s JOIN aegis.events e ON e.stream_id = s.id
WHERE s.stream = %s ORDER BY e.sequence"""
_MATERIAL = "SELECT root, wrapped FROM aegis.material WHERE key_id = %s AND version = %s"
_MATERIAL_PAGE = """
SELECT key_id, version, root, wrapped FROM aegis.material
WHERE (key_id, version) > (%s, %s) ORDER BY key_id, version LIMIT %s"""
_ROW = """
SELECT digest, response, expires_at FROM aegis.idempotency WHERE scope = %s
AND expires_at > least(%s::bigint, (extract(epoch FROM now()) * 1000000)::bigint)"""
_LEDGER = "SELECT position, body FROM aegis.ledger WHERE position > %s ORDER BY position LIMIT %s"
_HEAD = "SELECT position FROM aegis.head"
_DROPPED = "SELECT dropped_to FROM aegis.head"
_CURSOR = "SELECT position FROM aegis.cursors WHERE sink = %s"


class PostgresJournal(Journal):
    """A journal that any number of processes share. It holds no state of its own but leases."""

    def __init__(self, address: Address, clock: Clock, readers: int = 4) -> None:
        self._address = address
        self._clock = clock
        self._dialler = Dialler(address)
        self._commits = Link(self._dialler)
        self._writer = Writer(self._commits)
        self._leadership = Leadership(Link(self._dialler))
        self._readers = Readers(self._dialler, readers)
        self._preparing: asyncio.Task[None] | None = None

    @property
    def description(self) -> str:
        return f"Postgres event journal at {self._address.description}"

    @property
    def shared(self) -> bool:
        return True

    async def open(self) -> None:
        """Raises BootError if the server cannot be reached or cannot keep the journal's promises."""
        try:
            connection = await self._commits.connection()
            warn_without_tls(connection, self._address)
            await boot.prove_locks(self._dialler, connection)
            await migrate(connection)
            await prepare_ledger(connection)
        except UnavailableError as error:
            raise BootError(
                f"Postgres cannot be reached at {self._address.description} ({error.reason}): set"
                " AEGIS_JOURNAL_POSTGRES_URL, or PGHOST and its companions, and POSTGRES_PASSWORD"
            ) from error
        except psycopg.Error as error:
            raise boot.refusal(error) from error
        self._leadership.start()
        self._preparing = asyncio.create_task(self._prepare())

    async def aclose(self) -> None:
        """Finish the commit under way, give the leases back, disconnect."""
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.gather(self._preparing, return_exceptions=True)
        async with self._commits.turn:
            await self._commits.drop()
        await self._leadership.aclose()
        await self._readers.aclose()

    async def check(self) -> Health:
        """Ask the database, and reconnect what commits, so that it heals without traffic."""
        await self._readers.rows(_HEAD)
        if not self._commits.turn.locked():
            async with self._commits.turn:
                await self._commits.connection()
        return HEALTHY

    async def load(self, stream: str) -> Stored | None:
        rows = await self._readers.rows(_LOAD, (stream,))
        return Stored(stream, *rows[0]) if rows else None

    async def history(self, stream: str) -> Sequence[bytes]:
        return tuple(body for (body,) in await self._readers.rows(_HISTORY, (stream,)))

    async def commit(self, entries: Sequence[Entry]) -> Sequence[Committed | Conflict]:
        return await self._writer.commit(entries, self._now())

    async def material(self, key_id: KeyId, version: int) -> Material | None:
        rows = await self._readers.rows(_MATERIAL, (key_id, version))
        return Material(rows[0][0], Secret(rows[0][1])) if rows else None

    async def material_page(
        self, after: tuple[KeyId, int] | None, limit: int
    ) -> Sequence[MaterialRow]:
        place = (*(after or ("", 0)), min(limit, search.MAXIMUM_PAGE))
        return tuple(
            MaterialRow(KeyId(key_id), version, Material(root, Secret(wrapped)))
            for key_id, version, root, wrapped in await self._readers.rows(_MATERIAL_PAGE, place)
        )

    async def replay(self, scope: str) -> IdempotencyRow | None:
        rows = await self._readers.rows(_ROW, (scope, self._now()))
        if not rows:
            return None
        digest, response, expires_at = rows[0]
        seconds, rest = divmod(expires_at, 1_000_000)
        expires = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
        return IdempotencyRow(scope=scope, digest=digest, response=response, expires_at=expires)

    async def find(self, query: Query) -> Page:
        return await search.find(self._searched, query, self._now())

    async def ledger(self, after: int, limit: int) -> Sequence[LedgerRecord]:
        rows = await self._readers.rows(_LEDGER, (after, limit))
        if rows and rows[-1][0] != after + len(rows):
            await self._require_no_gap(after, [position for position, _ in rows])
        return tuple(LedgerRecord(position, body) for position, body in rows)

    async def head(self) -> int:
        rows = await self._readers.rows(_HEAD)
        return int(rows[0][0]) if rows else 0

    async def cursor(self, sink: str) -> int:
        rows = await self._readers.rows(_CURSOR, (sink,))
        return int(rows[0][0]) if rows else 0

    async def advance(self, sink: str, position: int, lease: Lease) -> bool:
        return await self._leadership.advance(sink, position, lease)

    async def lease(self, name: str) -> Lease | None:
        return await self._leadership.lease(name)

    async def _searched(self, statement: str, parameters: list[Any]) -> list[Row]:
        # Not prepared: the plan depends on the values that are asked for.
        return await self._readers.rows(statement, parameters, prepare=False)

    async def _require_no_gap(self, after: int, positions: Sequence[int]) -> None:
        """Raise InternalError if a position is missing above those of the partitions dropped."""
        rows = await self._readers.rows(_DROPPED)
        floor = max(after, int(rows[0][0]) if rows else 0)
        above = [position for position in positions if position > floor]
        if above != list(range(floor + 1, floor + 1 + len(above))):
            raise InternalError("The ledger has a gap", reason=f"after position {after}")

    async def _prepare(self) -> None:
        """Make the partitions of the months to come, while the server runs."""
        while True:
            await asyncio.sleep(_PREPARE_SECONDS)
            try:
                async with self._commits.turn:
                    await prepare_ledger(await self._commits.connection())
            except (psycopg.Error, AegisError):
                # Records of a month without a partition go to the default one.
                logging.getLogger("aegis").warning("the ledger's next partitions cannot be made")

    def _now(self) -> int:
        return round(self._clock.time() * 1_000_000)
