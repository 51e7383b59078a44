"""Short ways to write entries down, for the laws of the journal."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.secret import Secret
from aegis_kernel.spi.journal import (
    Append,
    Attributes,
    Committed,
    Conflict,
    Entry,
    MaterialChange,
    PutMaterial,
    Record,
    ReplaceMaterial,
)
from aegis_kernel.spi.root_of_trust import Material


def record(text: str = "x") -> Record:
    event_id = str(uuid.uuid4())
    return Record(event_id, f'{{"eventId":"{event_id}","note":"{text}"}}'.encode())


def use(*records: Record, **expects: int) -> Entry:
    """An entry that changes nothing; `key_a=1` expects stream `key/a` at 1."""
    return Entry(expects={_stream(name): n for name, n in expects.items()}, records=records)


def change(
    stream: str,
    at: int,
    *events: bytes,
    attributes: Attributes | None = None,
    records: tuple[Record, ...] = (),
    material: tuple[MaterialChange, ...] = (),
) -> Entry:
    """An entry that appends to `stream`, expected at `at`."""
    events = events or (f"event {at + 1}".encode(),)
    append = Append(
        stream=stream,
        events=events,
        snapshot=b"snapshot after " + events[-1],
        attributes=attributes or Attributes(),
    )
    return Entry(expects={stream: at}, appends=(append,), records=records, material=material)


def put(key: str, version: int, wrapped: bytes = b"wrapped") -> PutMaterial:
    return PutMaterial(KeyId(key), version, Material("test", Secret(wrapped)))


def replace(key: str, version: int, old: bytes, new: bytes) -> ReplaceMaterial:
    """A replacement of what `put` puts."""
    before, after = Material("test", Secret(old)), Material("test", Secret(new))
    return ReplaceMaterial(KeyId(key), version, before, after)


def verdicts(answer: Sequence[Committed | Conflict]) -> list[str]:
    """Each verdict as a word: "committed", or the stream that has moved."""
    return [v.stream if isinstance(v, Conflict) else "committed" for v in answer]


def _stream(name: str) -> str:
    return name.replace("_", "/", 1)
