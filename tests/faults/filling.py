"""A journal with a past: real keys with real events, committed in bulk before any server runs."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from aegis_kernel.domain.events import Event, KeyActivated, KeyCreated, KeyUpdated, replay
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, KeySpec
from aegis_kernel.spi.journal import Append, Attributes, Entry, PutMaterial, Record
from aegis_kernel.spi.root_of_trust import Material
from tests.faults.checker import RECORD_OF, journal_of
from tests.faults.clients import REAL

EVENTS_A_KEY = 100
_BATCH = 16
_SPEC = KeySpec(name="past", algorithm=Algorithm.AES, size_bits=256)


async def fill(data: Path, events: int, **environment: str) -> None:
    """Commit `events` events of keys, each with its record, in batches."""
    settings = REAL | {"AEGIS_DATA_DIR": str(data)} | environment
    async with journal_of(settings) as journal:
        entries = [_key() for _ in range(events // EVENTS_A_KEY)]
        for start in range(0, len(entries), _BATCH):
            await journal.commit(entries[start : start + _BATCH])


def _key() -> Entry:
    key_id, now = KeyId(str(uuid.uuid4())), datetime.now(UTC)
    events: list[Event] = [
        KeyCreated(at=now, id=key_id, spec=_SPEC, owner="alice", root_of_trust="inmemory"),
        KeyActivated(at=now),
        *(KeyUpdated(at=now, description=str(n)) for n in range(EVENTS_A_KEY - 2)),
    ]
    append = Append(
        stream=f"key/{key_id}",
        events=tuple(msgspec.json.encode(event) for event in events),
        snapshot=msgspec.json.encode(replay(events)),
        attributes=Attributes(state="Active", name="past", algorithm="AES", owner="alice"),
    )
    return Entry(
        expects={append.stream: 0},
        appends=(append,),
        material=(PutMaterial(key_id, 1, Material("none", Secret(b"past"))),),
        records=tuple(_record(key_id, event) for event in events),
    )


def _record(key_id: KeyId, event: Event) -> Record:
    event_id = str(uuid.uuid4())
    op = RECORD_OF[type(event).__name__]
    row = {"op": op, "keyId": key_id, "outcome": "Success", "eventId": event_id}
    return Record(event_id, json.dumps(row).encode())
