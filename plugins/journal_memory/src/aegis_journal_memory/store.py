"""Streams, material and ledger in dictionaries, and the one way to change them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from aegis_kernel import (
    Append,
    Attributes,
    Committed,
    Conflict,
    DeleteMaterial,
    Entry,
    IdempotencyRow,
    InternalError,
    KeyId,
    Material,
    MaterialChange,
    Query,
    ReplaceMaterial,
    Stored,
)

Verdict = Committed | Conflict

_CLEARED_A_ROW = 64


class Stream:
    """One stream: its place in the order of creation, its events, and where they lead."""

    def __init__(self, name: str, position: int) -> None:
        self.position = position
        self.events: list[bytes] = []
        self.stored = Stored(name, 0, b"")
        self.attributes = Attributes()

    def append(self, append: Append) -> None:
        self.events.extend(append.events)
        self.stored = Stored(append.stream, len(self.events), append.snapshot)
        self.attributes = append.attributes

    def matches(self, query: Query, now: float) -> bool:
        """Return whether every condition of `query` but its position holds at `now`."""
        has = self.attributes
        return (
            self.stored.stream.startswith(query.prefix)
            and query.state in (None, has.state)
            and query.name in (None, has.name)
            and query.algorithm in (None, has.algorithm)
            and query.owner in (None, has.owner)
            and (query.tag is None or _is_tagged(has, *query.tag))
            and (not query.due or (has.due_at is not None and has.due_at.timestamp() <= now))
        )


class Store:
    """Changes by `commit` alone: first every entry is judged, then the winners are applied."""

    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}
        self.material: dict[tuple[KeyId, int], Material] = {}
        self.ledger: list[bytes] = []
        self._rows: dict[str, IdempotencyRow] = {}

    def row(self, scope: str, now: float) -> IdempotencyRow | None:
        """Return the row of that scope if it is still good at `now`."""
        row = self._rows.get(scope)
        return row if row is not None and row.expires_at.timestamp() > now else None

    def commit(self, entries: Sequence[Entry], now: float) -> list[Verdict]:
        """Raises InternalError, with nothing done, where an entry puts material that is there."""
        verdicts = self._judge(entries, now)
        winners = [
            entry
            for entry, verdict in zip(entries, verdicts, strict=True)
            if isinstance(verdict, Committed)
        ]
        material = self._material_after(winners)
        for entry in winners:
            for append in entry.appends:
                self._stream(append.stream).append(append)
            self.ledger.extend(record.body for record in entry.records)
            if entry.idempotency is not None:
                self._keep(entry.idempotency, now)
        self.material = material
        return verdicts

    def _keep(self, row: IdempotencyRow, now: float) -> None:
        # Rows live equally long, so the oldest are the first to expire.
        oldest = list(islice(self._rows.values(), _CLEARED_A_ROW))
        for scope in [old.scope for old in oldest if old.expires_at.timestamp() <= now]:
            del self._rows[scope]
        self._rows.pop(row.scope, None)
        self._rows[row.scope] = row

    def _judge(self, entries: Sequence[Entry], now: float) -> list[Verdict]:
        moved: dict[str, int] = {}
        taken: set[str] = set()
        verdicts: list[Verdict] = []
        for entry in entries:
            conflict = self._conflict(entry, moved) or self._claimed(entry, taken, now)
            verdicts.append(conflict or Committed())
            if conflict is None:
                for append in entry.appends:
                    moved[append.stream] = entry.expects[append.stream] + len(append.events)
                if entry.idempotency is not None:
                    taken.add(entry.idempotency.scope)
        return verdicts

    def _conflict(self, entry: Entry, moved: dict[str, int]) -> Conflict | None:
        for name, expected in entry.expects.items():
            stream = self.streams.get(name)
            stored = stream.stored.sequence if stream else 0
            if moved.get(name, stored) != expected:
                return Conflict(name)
        return None

    def _claimed(self, entry: Entry, taken: set[str], now: float) -> Conflict | None:
        row = entry.idempotency
        if row is None or (row.scope not in taken and self.row(row.scope, now) is None):
            return None
        return Conflict(row.stream)

    def _material_after(self, winners: Sequence[Entry]) -> dict[tuple[KeyId, int], Material]:
        changes = [change for entry in winners for change in entry.material]
        if not changes:
            return self.material
        after = dict(self.material)
        for change in changes:
            _apply(change, after)
        return after

    def _stream(self, name: str) -> Stream:
        return self.streams.setdefault(name, Stream(name, len(self.streams) + 1))


def _is_tagged(attributes: Attributes, key: str, value: str | None) -> bool:
    return key in attributes.tags and value in (None, attributes.tags[key])


def _apply(change: MaterialChange, material: dict[tuple[KeyId, int], Material]) -> None:
    if isinstance(change, DeleteMaterial):
        for place in [place for place in material if place[0] == change.key_id]:
            del material[place]
        return
    place = (change.key_id, change.version)
    if isinstance(change, ReplaceMaterial):
        if material.get(place) == change.old:
            material[place] = change.new
        return
    if place in material:
        raise InternalError(f"Version {change.version} of key {change.key_id} has material already")
    material[place] = change.material
