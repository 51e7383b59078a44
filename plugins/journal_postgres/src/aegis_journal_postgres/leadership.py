"""Leases: who leads, across processes and hosts, by the database's clock."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from typing import Any

import psycopg

from aegis_journal_postgres.connect import Link, deadline
from aegis_journal_postgres.errors import is_lost, refused
from aegis_kernel import AegisError, Lease

#: When a holder that is dead, frozen or cut off loses its lease.
LEASE_SECONDS = 12.0
RENEW_SECONDS = 3.0
#: A lease that nobody has asked for this long is not renewed any more.
UNASKED_SECONDS = 60.0

_TAKE = """
INSERT INTO aegis.leases AS l (name, epoch, holder, expires_at)
VALUES (%(name)s, 1, %(holder)s, clock_timestamp() + %(seconds)s * interval '1 second')
ON CONFLICT (name) DO UPDATE SET
    epoch = CASE WHEN l.holder = excluded.holder THEN l.epoch ELSE l.epoch + 1 END,
    holder = excluded.holder, expires_at = excluded.expires_at
WHERE l.holder = excluded.holder OR l.expires_at < clock_timestamp()
RETURNING l.epoch"""

_RELEASE = "UPDATE aegis.leases SET expires_at = '-infinity' WHERE holder = %(holder)s"

# The lease's row is held until the cursor has moved: no new holder comes in between.
_ADVANCE = """
WITH newest AS (
    SELECT 1 FROM aegis.leases WHERE name = %(name)s AND epoch = %(epoch)s FOR SHARE)
INSERT INTO aegis.cursors AS c (sink, position)
SELECT %(sink)s, %(position)s FROM newest
ON CONFLICT (sink) DO UPDATE SET position = greatest(c.position, excluded.position)"""


class Leadership:
    """The leases of this process, renewed while somebody asks for them."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._holder = uuid.uuid4()
        # Name: the lease, when it was last taken, when it was last asked for (seconds of the loop).
        self._held: dict[str, tuple[Lease, float, float]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._renew())

    async def lease(self, name: str) -> Lease | None:
        """Return the lease if this process has it or can take it now."""
        now = asyncio.get_running_loop().time()
        if name in self._held:
            lease, taken, _ = self._held[name]
            if now - taken < LEASE_SECONDS / 2:
                self._held[name] = (lease, taken, now)
                return lease
        return await self._take(name, now)

    async def advance(self, sink: str, position: int, lease: Lease) -> bool:
        parameters = {
            "name": lease.name, "epoch": lease.epoch, "sink": sink, "position": position
        }  # fmt: skip
        return await self._execute(_ADVANCE, parameters) is not None

    async def aclose(self) -> None:
        """Give the leases back, so that another process need not wait for their end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._held:
            with suppress(AegisError):
                await self._execute(_RELEASE, {"holder": self._holder})
        await self._link.drop()

    async def _take(self, name: str, asked: float) -> Lease | None:
        before = asyncio.get_running_loop().time()
        parameters = {"name": name, "holder": self._holder, "seconds": LEASE_SECONDS}
        row = await self._execute(_TAKE, parameters)
        if not row:
            self._held.pop(name, None)
            return None
        lease = Lease(name, row[0])
        self._held[name] = (lease, before, asked)
        return lease

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            now = asyncio.get_running_loop().time()
            for name, (_, _, asked) in list(self._held.items()):
                if now - asked > UNASKED_SECONDS:
                    del self._held[name]
                    continue
                # A lease that cannot be renewed now ends by itself.
                with suppress(AegisError):
                    await self._take(name, asked)

    async def _execute(self, statement: str, parameters: dict[str, Any]) -> tuple[Any, ...] | None:
        """Return the first row, an empty one if something changed, None if nothing did."""
        async with self._link.turn:
            connection = await self._link.connection()
            try:
                with deadline(connection, 3.0):
                    cursor = await connection.execute(statement.encode(), parameters)
                    if cursor.description is not None:
                        return await cursor.fetchone()
                    return () if cursor.rowcount else None
            except psycopg.Error as error:
                if is_lost(connection, error):
                    await self._link.drop()
                raise refused(error) from error
            except BaseException:
                await self._link.drop()
                raise
