"""A tiny model of the journal, and random batches to compare a real one with it.

It is written from the contract alone and shares no code with any journal.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hypothesis import strategies as st

from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.secret import Secret
from aegis_kernel.spi.journal import (
    Append,
    Attributes,
    Committed,
    Conflict,
    DeleteMaterial,
    Entry,
    IdempotencyRow,
    Journal,
    PutMaterial,
    Query,
    Record,
)
from aegis_kernel.spi.root_of_trust import Material

STATES = ("PreActive", "Active", None)
_STREAMS = 4
_KEYS = 2
_SCOPES = 3
_NEVER = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Step:
    """A recipe for an entry; what it expects is relative to where the model then stands."""

    used: tuple[tuple[int, int], ...]
    appended: tuple[tuple[int, int, bytes], ...]
    puts: int | None
    deletes: int | None
    records: int
    state: str | None
    claims: int | None


def _distance() -> st.SearchStrategy[int]:
    # Mostly right, sometimes behind (stale), sometimes ahead.
    return st.sampled_from([0, 0, 0, 0, 0, -1, 1])


_STREAM = st.integers(0, _STREAMS - 1)

BATCHES = st.lists(
    st.lists(
        st.builds(
            Step,
            used=st.lists(st.tuples(_STREAM, _distance()), max_size=2).map(tuple),
            appended=st.lists(
                st.tuples(_STREAM, _distance(), st.binary(max_size=12)),
                max_size=2,
                unique_by=lambda appended: appended[0],
            ).map(tuple),
            puts=st.none() | st.integers(0, _KEYS - 1),
            deletes=st.none() | st.none() | st.integers(0, _KEYS - 1),
            records=st.integers(0, 2),
            state=st.sampled_from(STATES),
            claims=st.none() | st.integers(0, _SCOPES - 1),
        ),
        min_size=1,
        max_size=5,
    ),
    min_size=1,
    max_size=6,
)


@dataclass
class _Stream:
    events: list[bytes] = field(default_factory=list)
    snapshot: bytes = b""
    state: str | None = None


class Model:
    """Streams, material and ledger as the contract has them, below a prefix of its own."""

    def __init__(self, prefix: str, head: int) -> None:
        self._prefix = prefix
        self._head = head
        self._streams: dict[str, _Stream] = {}
        self._material: dict[tuple[KeyId, int], bytes] = {}
        self._versions = dict.fromkeys(range(_KEYS), 0)
        self._ledger: list[bytes] = []
        self._rows: dict[str, IdempotencyRow] = {}
        self._records = 0

    def apply(self, steps: Sequence[Step]) -> tuple[list[Entry], list[set[str]]]:
        """Return the entries that the steps make, and of each the streams it fails by, if any."""
        entries: list[Entry] = []
        failures: list[set[str]] = []
        for step in steps:
            entry = self._entry(step)
            moved = {s for s, n in entry.expects.items() if len(self._stream(s).events) != n}
            if entry.idempotency is not None and entry.idempotency.scope in self._rows:
                moved.add(entry.idempotency.stream)
            entries.append(entry)
            failures.append(moved)
            if not moved:
                self._admit(entry)
        return entries, failures

    async def compare(self, journal: Journal) -> None:
        """Fail where the journal shows anything else than the model."""
        for name in map(self._name, range(_STREAMS)):
            await self._compare_stream(journal, name)
        records = await journal.ledger(self._head, 1000)
        assert [record.body for record in records] == self._ledger
        assert await journal.head() == self._head + len(self._ledger)
        for key in range(_KEYS):
            for version in range(1, self._versions[key] + 1):
                found = await journal.material(self._key(key), version)
                expected = self._material.get((self._key(key), version))
                assert (found.wrapped.reveal() if found else None) == expected
        for scope, row in self._rows.items():
            assert await journal.replay(scope) == row
        for state in STATES[:2]:
            await self._compare_search(journal, state)

    def _entry(self, step: Step) -> Entry:
        expects = {self._name(s): self._sequence(s) + off for s, off in step.used}
        expects |= {self._name(s): self._sequence(s) + off for s, off, _ in step.appended}
        return Entry(
            expects={stream: max(0, sequence) for stream, sequence in expects.items()},
            appends=tuple(self._append(stream, body, step) for stream, _, body in step.appended),
            material=self._changes(step),
            records=tuple(self._record() for _ in range(step.records)),
            idempotency=self._row(step.claims),
        )

    def _row(self, scope: int | None) -> IdempotencyRow | None:
        if scope is None:
            return None
        self._records += 1
        return IdempotencyRow(
            scope=f"{self._prefix}scope-{scope}",
            digest=b"\xfd",
            response=b"%d" % self._records,
            expires_at=_NEVER,
        )

    def _append(self, stream: int, body: bytes, step: Step) -> Append:
        return Append(
            stream=self._name(stream),
            events=(body, b"second \xff")[: 1 + len(body) % 2],
            snapshot=b"\x80" + body,
            attributes=Attributes(state=step.state),
        )

    def _changes(self, step: Step) -> tuple[PutMaterial | DeleteMaterial, ...]:
        changes: list[PutMaterial | DeleteMaterial] = []
        if step.deletes is not None:
            changes.append(DeleteMaterial(self._key(step.deletes)))
        if step.puts is not None:
            # A version is never used twice, not even by a loser: a second put would be an error.
            self._versions[step.puts] += 1
            version = self._versions[step.puts]
            wrapped = Secret(b"\xfe" + version.to_bytes(2, "big"))
            changes.append(PutMaterial(self._key(step.puts), version, Material("model", wrapped)))
        return tuple(changes)

    def _record(self) -> Record:
        self._records += 1
        event_id = str(uuid.uuid4())
        return Record(event_id, json.dumps({"eventId": event_id, "actor": "Zoë"}).encode())

    def _admit(self, entry: Entry) -> None:
        for append in entry.appends:
            stream = self._streams.setdefault(append.stream, _Stream())
            stream.events.extend(append.events)
            stream.snapshot, stream.state = append.snapshot, append.attributes.state
        for change in entry.material:
            if isinstance(change, PutMaterial):
                self._material[change.key_id, change.version] = change.material.wrapped.reveal()
            else:
                kept = {p: w for p, w in self._material.items() if p[0] != change.key_id}
                self._material = kept
        self._ledger.extend(record.body for record in entry.records)
        if entry.idempotency is not None:
            self._rows[entry.idempotency.scope] = entry.idempotency

    async def _compare_stream(self, journal: Journal, name: str) -> None:
        expected, found = self._stream(name), await journal.load(name)
        assert list(await journal.history(name)) == expected.events
        if not expected.events:
            assert found is None
            return
        assert found is not None
        assert (found.stream, found.sequence) == (name, len(expected.events))
        assert found.snapshot == expected.snapshot

    async def _compare_search(self, journal: Journal, state: str | None) -> None:
        page = await journal.find(Query(prefix=self._prefix, state=state))
        expected = [name for name, stream in self._streams.items() if stream.state == state]
        assert [item.stored.stream for item in page.items] == expected
        assert not page.more

    def _stream(self, name: str) -> _Stream:
        return self._streams.get(name, _Stream())

    def _sequence(self, stream: int) -> int:
        return len(self._stream(self._name(stream)).events)

    def _name(self, stream: int) -> str:
        return f"{self._prefix}{stream}"

    def _key(self, key: int) -> KeyId:
        return KeyId(f"{self._prefix}key-{key}")


def is_right(verdict: Committed | Conflict, failed_by: set[str]) -> bool:
    """Return whether the verdict is the model's: any of the moved streams may be named."""
    if isinstance(verdict, Conflict):
        return verdict.stream in failed_by
    return not failed_by
