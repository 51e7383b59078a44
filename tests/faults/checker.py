"""What must hold after any fault, of the journal, the ledger and what the sinks were given."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from aegis_kernel.domain.events import Event, KeyCreated, replay
from aegis_kernel.domain.key import Key, KeyId
from aegis_kernel.domain.lifecycle import KeyState
from aegis_kernel.engine.clock import SystemClock
from aegis_kernel.engine.executor import BoundedExecutor
from aegis_kernel.engine.providers import ask_all
from aegis_kernel.engine.settings import Settings
from aegis_kernel.spi.journal import Journal, Query, Stored
from aegis_kernel.spi.journal_backup import JournalBackup
from tests.faults.acknowledged import Acknowledged

#: How the audit trail spells the operation that makes each event.
RECORD_OF = {
    "KeyCreated": "KeyCreated",
    "KeyActivated": "KeyActivated",
    "KeyDeactivated": "KeyDeactivated",
    "KeyRotated": "Rotate",
    "KeyImported": "KeyImported",
    "KeyCompromised": "Compromise",
    "VersionCompromised": "Compromise",
    "KeyDisabled": "KeyDisabled",
    "KeyEnabled": "KeyEnabled",
    "DestructionScheduled": "KeyDestructionScheduled",
    "DestructionCancelled": "KeyDestructionCancelled",
    "KeyDestroyed": "KeyDestroyed",
    "KeyUpdated": "KeyUpdated",
    "RotationAnnounced": "RotationDue",
}
_CHANGES = frozenset(RECORD_OF.values())
_decode_event = msgspec.json.Decoder(Event).decode
_decode_key = msgspec.json.Decoder(Key).decode


class BrokenPromiseError(AssertionError):
    """Something acknowledged is lost, or something happened without its record."""


@asynccontextmanager
async def journal_of(environment: dict[str, str]) -> AsyncIterator[Journal]:
    """Open the journal that a server with this environment has, whatever kind it is."""
    settings = Settings.from_env(environment | {"AEGIS_AUDIT_SINKS": "none"})
    executor = BoundedExecutor(1, 8)
    journal = ask_all(settings, SystemClock(), executor).journal
    await journal.open()
    try:
        yield journal
    finally:
        await journal.aclose()
        executor.close()


async def require_kept(
    journal: Journal, acknowledged: Sequence[Acknowledged], delivered: Iterable[str] | None = None
) -> None:
    """Raise BrokenPromiseError with all that is wrong, the gravest first.

    `delivered` is what a sink was given, line by line, after it has had time to catch up.
    """
    rows = [row async for row in ledger_of(journal)]
    wrong = [*_lost(rows, acknowledged), *_repeated(rows)]
    wrong += [fault async for fault in _unequal_keys(journal, rows, acknowledged)]
    if delivered is not None:
        wrong += _undelivered(rows, delivered)
    if isinstance(journal, JournalBackup):
        await journal.examine()
    if wrong:
        raise BrokenPromiseError(f"{len(wrong)} promises broken, such as {'; '.join(wrong[:5])}")


async def ledger_of(journal: Journal) -> AsyncIterator[dict[str, Any]]:
    """Yield every audit record, in order. Raises BrokenPromiseError for a gap."""
    after = 0
    while page := await journal.ledger(after, 1000):
        for record in page:
            after += 1
            if record.position != after:
                raise BrokenPromiseError(f"the ledger has no record {after}")
            yield json.loads(record.body)


def delivered_lines(files: Iterable[Path]) -> Iterable[str]:
    """Yield the whole lines of each file; a kill may have torn the last one."""
    for file in files:
        yield from [line for line in file.read_text().splitlines(keepends=True) if line[-1] == "\n"]


def _lost(rows: list[dict[str, Any]], acknowledged: Iterable[Acknowledged]) -> Iterable[str]:
    by_request = {row.get("requestId"): row for row in rows}
    for done in acknowledged:
        row = by_request.get(done.request_id)
        if row is None:
            yield f"lost: {done.operation} {done.request_id}"
        elif (row["op"], row["outcome"], row.get("keyId")) != (
            done.operation,
            "Success",
            done.key_id,
        ):
            yield f"recorded as another: {done} is {row}"
        elif done.version is not None and done.version not in (
            row.get("keyVersion"),
            row.get("currentVersion"),
            1 if done.operation == "KeyCreated" else None,
        ):
            yield f"recorded with another version: {done} is {row}"


def _repeated(rows: list[dict[str, Any]]) -> Iterable[str]:
    for name in ("requestId", "eventId"):
        counts = Counter(row[name] for row in rows if name in row)
        yield from (f"{name} {each} has {n} records" for each, n in counts.items() if n > 1)


async def _unequal_keys(
    journal: Journal, rows: list[dict[str, Any]], acknowledged: Iterable[Acknowledged]
) -> AsyncIterator[str]:
    recorded: dict[str, list[str]] = {}
    for row in rows:
        if row["op"] in _CHANGES and row["outcome"] == "Success" and "mode" not in row:
            recorded.setdefault(row["keyId"], []).append(row["op"])
    seen: dict[str, int] = {}
    for done in acknowledged:
        seen[done.key_id] = max(seen.get(done.key_id, 0), done.sequence or 1)
    async for stored in _all_keys(journal):
        key_id = stored.stream.removeprefix("key/")
        async for fault in _unequal(journal, stored, recorded.pop(key_id, [])):
            yield f"{stored.stream}: {fault}"
        if stored.sequence < seen.pop(key_id, 0):
            yield f"{stored.stream}: lost events that were acknowledged"
    for key_id in recorded.keys() | seen.keys():
        yield f"key/{key_id}: lost, though recorded or acknowledged"


async def _all_keys(journal: Journal) -> AsyncIterator[Stored]:
    after, more = 0, True
    while more:
        page = await journal.find(Query(prefix="key/", after=after, limit=500))
        for found in page.items:
            yield found.stored
            after = found.position
        more = page.more


async def _unequal(journal: Journal, stored: Stored, recorded: list[str]) -> AsyncIterator[str]:
    events = [_decode_event(event) for event in await journal.history(stored.stream)]
    key = _decode_key(stored.snapshot)
    if replay(events) != key:
        yield "the replay is not the snapshot"
    if len(events) != stored.sequence:
        yield f"{len(events)} events at sequence {stored.sequence}"
    made = [RECORD_OF[type(event).__name__] for event in events]
    if made != recorded:
        yield f"events without record or records without event: {made} and {recorded}"
    if any(isinstance(event, KeyCreated) for event in events[1:]):
        yield "created twice"
    for version in key.versions:
        has = await journal.material(KeyId(key.id), version.number) is not None
        if has is (key.state is KeyState.DESTROYED):
            yield f"version {version.number} is {key.state} with material: {has}"


def _undelivered(rows: list[dict[str, Any]], delivered: Iterable[str]) -> Iterable[str]:
    order = list(dict.fromkeys(json.loads(line)["eventId"] for line in delivered))
    committed = [row["eventId"] for row in rows]
    if order == committed:
        return
    missing, unknown = set(committed) - set(order), set(order) - set(committed)
    yield f"the sink lacks {len(missing)} records, has {len(unknown)} of nothing, or another order"
