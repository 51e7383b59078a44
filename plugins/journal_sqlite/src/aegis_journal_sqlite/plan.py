"""Judging: which entries of a batch win, and what they write. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from aegis_kernel import (
    Append,
    Committed,
    Conflict,
    DeleteMaterial,
    Entry,
    IdempotencyRow,
    InternalError,
    MaterialChange,
)

Verdict = Committed | Conflict


@dataclass(frozen=True, slots=True)
class Move:
    """Where a stream stands after the batch, and all that it gained."""

    start: int
    appends: list[Append]

    @property
    def sequence(self) -> int:
        return self.start + sum(len(append.events) for append in self.appends)

    def events(self) -> Iterator[tuple[int, bytes]]:
        """Yield each new event with its sequence."""
        events = (event for append in self.appends for event in append.events)
        return enumerate(events, start=self.start + 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """The verdicts of a batch, and what its winners write: all of it in one transaction."""

    verdicts: list[Verdict]
    moves: dict[str, Move]
    material: list[MaterialChange]
    bodies: list[bytes]
    rows: dict[str, IdempotencyRow]

    @property
    def deletes_material(self) -> bool:
        return any(isinstance(change, DeleteMaterial) for change in self.material)


def streams_of(entries: Sequence[Entry]) -> list[str]:
    """Return every stream that an entry expects anything of, once each."""
    return list({stream: None for entry in entries for stream in entry.expects})


def scopes_of(entries: Sequence[Entry]) -> list[str]:
    """Return the scope of every idempotency row, as often as it comes."""
    return [entry.idempotency.scope for entry in entries if entry.idempotency is not None]


def judge(entries: Sequence[Entry], stored: Mapping[str, int], taken: Set[str]) -> Plan:
    """Judge the entries in order, each against what is stored plus what earlier winners add.

    `stored` has the sequences of the streams, `taken` the scopes that have a row.
    """
    plan = Plan([], {}, [], [], {})
    sequences = dict(stored)
    for entry in entries:
        conflict = _conflict(entry, sequences) or _claimed(entry, plan, taken)
        plan.verdicts.append(conflict or Committed())
        if conflict is None:
            _admit(entry, plan, sequences)
    return plan


def unite_uses(entries: Sequence[Entry]) -> dict[str, int] | None:
    """Return what all entries expect together, if they change nothing and agree; else None."""
    united: dict[str, int] = {}
    for entry in entries:
        if entry.appends or entry.material or entry.idempotency:
            return None
        for stream, sequence in entry.expects.items():
            if united.setdefault(stream, sequence) != sequence:
                return None
    return united


def bodies_of(entries: Sequence[Entry]) -> list[bytes]:
    """Return the records of the entries in order. Raises InternalError unless each is one line."""
    bodies = [record.body for entry in entries for record in entry.records]
    # The ledger is read back as lines.
    if any(b"\n" in body for body in bodies):
        raise InternalError("An audit record is not a single line")
    return bodies


def _conflict(entry: Entry, sequences: Mapping[str, int]) -> Conflict | None:
    for stream, expected in entry.expects.items():
        if sequences.get(stream, 0) != expected:
            return Conflict(stream)
    return None


def _claimed(entry: Entry, plan: Plan, taken: Set[str]) -> Conflict | None:
    row = entry.idempotency
    if row is None or (row.scope not in taken and row.scope not in plan.rows):
        return None
    return Conflict(row.stream)


def _admit(entry: Entry, plan: Plan, sequences: dict[str, int]) -> None:
    for append in entry.appends:
        start = entry.expects[append.stream]
        plan.moves.setdefault(append.stream, Move(start, [])).appends.append(append)
        sequences[append.stream] = start + len(append.events)
    plan.material.extend(entry.material)
    plan.bodies.extend(bodies_of((entry,)))
    if entry.idempotency is not None:
        plan.rows[entry.idempotency.scope] = entry.idempotency
