"""How often each key version protected and processed, counted beside the way of a request.

Counts grow in memory and are written at intervals, one small event for each key that was used, to a
stream of its own (`usage/<id>`): the key's stream does not move. A crash loses what was counted
since the last writing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from aegis_kernel.domain.errors import AegisError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import PROTECT, Operation
from aegis_kernel.engine.commit import Committer
from aegis_kernel.engine.operations.messages import Usage

if TYPE_CHECKING:
    from aegis_kernel.engine.operations.declaration import Effect
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.journal import Append, Conflict, Entry, Journal

# Beyond so many keys between two writings, further keys are not counted until the next.
MAX_KEYS = 50_000
MAX_AT_ONCE = 128
# What a batch processed with more than one version is counted under this.
SEVERAL_VERSIONS = 0

_log = logging.getLogger("aegis")


class Counts(msgspec.Struct, omit_defaults=True):
    """{version: times} for protecting and processing, and when last; as event, what was added."""

    protect: dict[int, int] = {}
    process: dict[int, int] = {}
    last_used: float = 0.0

    def add(self, other: Counts) -> None:
        for mine, more in ((self.protect, other.protect), (self.process, other.process)):
            for version, times in more.items():
                mine[version] = mine.get(version, 0) + times
        self.last_used = max(self.last_used, other.last_used)


_decode = msgspec.json.Decoder(Counts).decode
_encode = msgspec.json.Encoder().encode


class UsageCounter:
    """Counts in memory, writes in passing. `used` is told of each key whose counts were written."""

    def __init__(
        self, journal: Journal, committer: Committer, clock: Clock, seconds: float
    ) -> None:
        self._journal = journal
        self._committer = committer
        self._clock = clock
        self._seconds = seconds
        self._pending: dict[KeyId, Counts] = {}
        self.written: Callable[[KeyId], Awaitable[None]] | None = None

    def released(self, operation: Operation, key_id: KeyId, effect: Effect) -> None:
        """Count what was released; an effect of no version, or of no success, is no use of a key."""
        if effect.key_version is not None:
            self.count(operation, key_id, effect.key_version, effect.count or 1)
        elif effect.count:
            self.count(operation, key_id, SEVERAL_VERSIONS, effect.count)
        if effect.destination_key_id is not None and effect.destination_key_version is not None:
            times = effect.count or 1
            version = effect.destination_key_version
            self.count(Operation.ENCRYPT, effect.destination_key_id, version, times)

    def count(self, operation: Operation, key_id: KeyId, version: int, times: int = 1) -> None:
        """Count `times` results of `operation`, one that computes with a key."""
        counts = self._pending.get(key_id)
        if counts is None:
            if len(self._pending) >= MAX_KEYS:
                return
            counts = self._pending[key_id] = Counts()
        kind = counts.protect if operation in PROTECT else counts.process
        kind[version] = kind.get(version, 0) + times
        counts.last_used = self._clock.time()

    async def of(self, key_id: KeyId) -> Usage | None:
        """Return how often the key was used, as far as written and as counted here; None for never."""
        counts = await self._known(key_id)
        if not counts.last_used:
            return None
        last = datetime.fromtimestamp(counts.last_used, UTC)
        return Usage(sum(counts.protect.values()), sum(counts.process.values()), last)

    async def protections(self, key_id: KeyId, version: int) -> int:
        """Return how often that version has protected, as far as is known here."""
        return (await self._known(key_id)).protect.get(version, 0)

    async def run(self) -> None:
        """Write at intervals until cancelled."""
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.flush()
            except Exception:  # noqa: BLE001 - what was not written is kept for the next turn
                _log.warning("usage was not written; tried again in %s s", self._seconds)

    async def aclose(self) -> None:
        """Write what is still only counted, as far as the journal takes it. Rotates nothing."""
        self.written = None
        await self.flush()

    async def flush(self) -> None:
        """Write all that was counted, at most one event for each key."""
        pending, self._pending = self._pending, {}
        keys = list(pending)
        for start in range(0, len(keys), MAX_AT_ONCE):
            part = keys[start : start + MAX_AT_ONCE]
            await asyncio.gather(*(self._write(key_id, pending[key_id]) for key_id in part))
        if self.written is not None:
            for key_id in keys:
                await self.written(key_id)

    async def _write(self, key_id: KeyId, counted: Counts) -> None:
        try:
            stored = await self._journal.load(_stream(key_id))
            counts = _decode(stored.snapshot) if stored else Counts()
            counts.add(counted)
            sequence = stored.sequence if stored else 0
            append = Append(
                stream=_stream(key_id), events=(_encode(counted),), snapshot=_encode(counts)
            )
            entry = Entry(expects={append.stream: sequence}, appends=(append,))
            is_written = not isinstance(await self._committer.commit(entry), Conflict)
        except AegisError:  # the journal is away; its own health says so
            is_written = False
        if not is_written:
            self._keep(key_id, counted)

    def _keep(self, key_id: KeyId, counted: Counts) -> None:
        since = self._pending.get(key_id)
        if since is not None:
            counted.add(since)
        self._pending[key_id] = counted

    async def _known(self, key_id: KeyId) -> Counts:
        stored = await self._journal.load(_stream(key_id))
        counts = _decode(stored.snapshot) if stored else Counts()
        pending = self._pending.get(key_id)
        if pending is not None:
            counts.add(pending)
        return counts


def _stream(key_id: KeyId) -> str:
    return f"usage/{key_id}"
