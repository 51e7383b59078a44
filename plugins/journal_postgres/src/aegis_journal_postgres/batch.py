"""Entries as the commit function takes them: flat lists, one place for each column. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from aegis_kernel import (
    Committed,
    Conflict,
    DeleteMaterial,
    Entry,
    InternalError,
    MaterialChange,
    ReplaceMaterial,
)

#: How many advisory locks one transaction takes at most; the server's table of locks is finite.
MAX_LOCKS = 128

Verdict = Committed | Conflict

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The order of the function's parameters, after the first two. `b` travels in binary.
_COLUMNS = (
    ("again", "boolean"), ("now", "bigint"), ("entries", "integer"), ("names", "text[]"),
    ("x_entry", "integer[]"), ("x_stream", "integer[]"), ("x_sequence", "bigint[]"),
    ("r_entry", "integer[]"), ("r_id", "uuid[]"), ("r_body", "bytea[]"),
    ("a_entry", "integer[]"), ("a_stream", "integer[]"), ("a_events", "integer[]"),
    ("a_snapshot", "bytea[]"), ("a_state", "text[]"), ("a_name", "text[]"),
    ("a_algorithm", "text[]"), ("a_owner", "text[]"), ("a_due", "bigint[]"),
    ("v_append", "integer[]"), ("v_number", "integer[]"), ("v_body", "bytea[]"),
    ("t_append", "integer[]"), ("t_key", "text[]"), ("t_value", "text[]"),
    ("m_entry", "integer[]"), ("m_kind", "integer[]"), ("m_key", "text[]"),
    ("m_version", "integer[]"), ("m_root", "text[]"), ("m_wrapped", "bytea[]"),
    ("m_old_root", "text[]"), ("m_old_wrapped", "bytea[]"),
    ("i_entry", "integer[]"), ("i_scope", "text[]"), ("i_digest", "bytea[]"),
    ("i_response", "bytea[]"), ("i_expires", "bigint[]"),
)  # fmt: skip
_SCALARS = 3

_TABLES = "xravtmi"


class Batch:
    """Entries that go to the server in one call, and what its answer means."""

    def __init__(self, entries: Sequence[Entry], locks: dict[int, bool]) -> None:
        self._names: dict[str, int] = {}
        self._entries = entries
        self.parameters: dict[str, Any] = {name: [] for name, _ in _COLUMNS[_SCALARS:]}
        self.parameters["locks"] = sorted(locks)
        self.parameters["is_exclusive"] = [locks[lock] for lock in sorted(locks)]
        self.parameters["entries"] = len(entries)
        for number, entry in enumerate(entries, start=1):
            self._add(number, entry)
        self.parameters["names"] = list(self._names)

    @property
    def call(self) -> str:
        """The statement that hands the batch over, with `parameters`."""
        return _call("".join(table for table in _TABLES if self._has(table)))

    def verdicts(self, answer: Sequence[int]) -> list[Verdict]:
        """Return what the function's numbers say."""
        if not any(answer):
            return [Committed()] * len(self._entries)
        names = self.parameters["names"]
        return [
            Committed() if lost == 0 else Conflict(names[lost - 1] if lost > 0 else _scope(entry))
            for lost, entry in zip(answer, self._entries, strict=True)
        ]

    def _has(self, table: str) -> bool:
        return any(self.parameters[name] for name, _ in _COLUMNS if name[:2] == f"{table}_")

    def _add(self, number: int, entry: Entry) -> None:
        for stream, sequence in entry.expects.items():
            self._row("x", entry=number, stream=self._place(stream), sequence=sequence)
        for record in entry.records:
            self._row("r", entry=number, id=record.event_id, body=record.body)
        self._add_appends(number, entry)
        for change in entry.material:
            self._row("m", entry=number, **_material(change))
        if (kept := entry.idempotency) is not None:
            self._row(
                "i", entry=number, scope=kept.scope, digest=kept.digest, response=kept.response,
                expires=microseconds(kept.expires_at),
            )  # fmt: skip

    def _add_appends(self, number: int, entry: Entry) -> None:
        for append in entry.appends:
            has = append.attributes
            self._row(
                "a", entry=number, stream=self._place(append.stream), events=len(append.events),
                snapshot=append.snapshot, state=has.state, name=has.name, algorithm=has.algorithm,
                owner=has.owner, due=None if has.due_at is None else microseconds(has.due_at),
            )  # fmt: skip
            place = len(self.parameters["a_entry"])
            for n, body in enumerate(append.events, start=1):
                self._row("v", append=place, number=n, body=body)
            for key, value in has.tags.items():
                self._row("t", append=place, key=key, value=value)

    def _row(self, table: str, **values: Any) -> None:
        for column, value in values.items():
            self.parameters[f"{table}_{column}"].append(value)

    def _place(self, stream: str) -> int:
        return self._names.setdefault(stream, len(self._names) + 1)


def batches(entries: Sequence[Entry]) -> Iterator[Batch]:
    """Yield the entries in order, in as few batches as the number of locks allows."""
    part: list[Entry] = []
    held: dict[int, bool] = {}
    for entry in entries:
        wanted = locks_of(entry)
        if part and len(held.keys() | wanted.keys()) > MAX_LOCKS:
            yield Batch(part, held)
            part, held = [], {}
        part.append(entry)
        for lock, is_exclusive in wanted.items():
            held[lock] = held.get(lock, False) or is_exclusive
    if part:
        yield Batch(part, held)


def locks_of(entry: Entry) -> dict[int, bool]:
    """Return the locks of the entry, and which of them are exclusive."""
    locks = {lock_of(stream): False for stream in entry.expects}
    for append in entry.appends:
        locks[lock_of(append.stream)] = True
    if entry.idempotency is not None:
        locks[lock_of(entry.idempotency.stream)] = True
    return locks


def lock_of(name: str) -> int:
    """Return the 64-bit lock of a stream; every release must compute the same."""
    digest = hashlib.blake2b(name.encode(), digest_size=8, person=b"aegis lock").digest()
    return int.from_bytes(digest, "big", signed=True)


def microseconds(moment: datetime) -> int:
    """Return the moment in microseconds since the Unix epoch, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=128)
def _call(tables: str) -> str:
    """Return the call for batches with rows of these tables alone.

    Most batches only use streams and record it, and each list costs the client some 20 µs.
    """
    columns = ["%(locks)s::bigint[]", "%(is_exclusive)s::boolean[]"]
    for name, kind in _COLUMNS:
        if name[1] == "_" and name[0] not in tables:
            columns.append(f"'{{}}'::{kind}")
        else:
            columns.append(f"%({name}){'b' if kind == 'bytea[]' else 's'}::{kind}")
    return f"SELECT aegis.commit_1({', '.join(columns)})"


def _scope(entry: Entry) -> str:
    if entry.idempotency is None:
        raise InternalError("The journal lost an entry by a scope that it has not")
    return entry.idempotency.stream


def _material(change: MaterialChange) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(("version", "root", "wrapped", "old_root", "old_wrapped"))
    row["key"] = str(change.key_id)
    if isinstance(change, DeleteMaterial):
        return row | {"kind": 1}
    row["version"] = change.version
    if isinstance(change, ReplaceMaterial):
        old, stored = change.old, change.new
        row |= {"old_root": old.root_of_trust, "old_wrapped": old.wrapped.reveal()}
    else:
        stored = change.material
    row |= {"root": stored.root_of_trust, "wrapped": stored.wrapped.reveal()}
    return row | {"kind": 2 if isinstance(change, ReplaceMaterial) else 0}
