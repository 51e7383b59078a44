"""Port: the journal is the durable store of streams, material and the ledger; the truth.

A *stream* is an append-only sequence of events, numbered from 1, with a folded snapshot. The
*ledger* is the committed audit records in order, numbered from 1 without gaps. Events, snapshots
and records are bytes that the journal keeps and never reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from aegis_kernel.domain.errors import BadRequestError, UnavailableError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.spi.provider import Provider
from aegis_kernel.spi.root_of_trust import Material


class Attributes(msgspec.Struct, frozen=True, kw_only=True):
    """What `find` can search of a stream. `due_at` is when the schedule must look at it again."""

    state: str | None = None
    name: str | None = None
    algorithm: str | None = None
    owner: str | None = None
    tags: Mapping[str, str] = {}
    due_at: datetime | None = None


class Stored(msgspec.Struct, frozen=True):
    """A stream as it stands: the sequence of its last event, and the snapshot at that sequence."""

    stream: str
    sequence: int
    snapshot: bytes


class Append(msgspec.Struct, frozen=True, kw_only=True):
    """New events of one stream, with the snapshot and attributes after the last of them."""

    stream: str
    events: tuple[bytes, ...]
    snapshot: bytes
    attributes: Attributes = Attributes()


class PutMaterial(msgspec.Struct, frozen=True):
    """Store the material of one key version; it must not be there yet."""

    key_id: KeyId
    version: int
    material: Material


class DeleteMaterial(msgspec.Struct, frozen=True):
    """Delete the material of every version of a key, so that the live store holds no copy."""

    key_id: KeyId


class ReplaceMaterial(msgspec.Struct, frozen=True):
    """Replace the material of one key version where `old` still stands; do nothing where it does not.

    It never inserts: what was deleted meanwhile stays deleted.
    """

    key_id: KeyId
    version: int
    old: Material
    new: Material


MaterialChange = PutMaterial | DeleteMaterial | ReplaceMaterial


class MaterialRow(msgspec.Struct, frozen=True):
    """The material of one key version, as it is stored."""

    key_id: KeyId
    version: int
    material: Material


class Record(msgspec.Struct, frozen=True):
    """One audit record: its id (UUIDv7, canonical text) and its exact bytes, one line of JSON."""

    event_id: str
    body: bytes


class IdempotencyRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a request with an idempotency key has come to, so that a second one repeats nothing.

    `scope` names caller, operation, key and idempotency key by a digest of 64 characters; `digest`
    is a keyed one of the request; `response` is opaque bytes without secrets. From `expires_at` on,
    by the journal's clock, the row is as good as absent.
    """

    scope: str
    digest: bytes
    response: bytes
    expires_at: datetime

    @property
    def stream(self) -> str:
        """How a Conflict names a scope that is taken."""
        return f"idempotency/{self.scope}"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One unit of commitment: all of it, or nothing.

    `expects` gives {stream: sequence} that must still hold (0 = the stream does not exist). Every
    stream in `appends` is also in `expects`. A stream that is only expected is *used*, not changed.
    The scope of `idempotency` must not be taken: by a stored row that has not expired, or by an
    earlier winner of the same batch.
    """

    expects: Mapping[str, int]
    appends: tuple[Append, ...] = ()
    material: tuple[MaterialChange, ...] = ()
    records: tuple[Record, ...] = ()
    idempotency: IdempotencyRow | None = None


class Committed(msgspec.Struct, frozen=True):
    """The entry is durable; its effects are visible to every later read."""


class Conflict(msgspec.Struct, frozen=True):
    """Nothing of the entry happened: `stream` stands at another sequence than it expected.

    Where the scope of its idempotency row is taken, `stream` is that row's.
    """

    stream: str


class LedgerRecord(msgspec.Struct, frozen=True):
    """A committed audit record and its position."""

    position: int
    body: bytes


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which streams to find: all conditions hold. `prefix` is such as "key/".

    `tag` is a key that must be present, or (key, value). `due` means: due_at is at or before the
    journal's own clock; of more than 10,000, at least those due longest. Results come in order of
    creation, after position `after`.
    """

    prefix: str
    state: str | None = None
    name: str | None = None
    algorithm: str | None = None
    owner: str | None = None
    tag: tuple[str, str | None] | None = None
    due: bool = False
    after: int = 0
    limit: int = 50


class Found(msgspec.Struct, frozen=True):
    """A stream that matched; `position` continues the search after it."""

    position: int
    stored: Stored


class Page(msgspec.Struct, frozen=True):
    """One page of `find`; `more` says whether to look for further matches after `last`.

    A journal bounds what it looks at for one page. Where that ends a page that is not full, even an
    empty one, `more` is true and `reached` is the position up to which it looked.
    """

    items: tuple[Found, ...]
    more: bool
    reached: int | None = None

    @property
    def last(self) -> int:
        """The position after which the next page begins; 0 where there is nothing at all."""
        if self.reached is not None:
            return self.reached
        return self.items[-1].position if self.items else 0


class Lease(msgspec.Struct, frozen=True):
    """Leadership: whoever holds the highest epoch of a name is the one that may act."""

    name: str
    epoch: int


class Journal(Provider, Protocol):
    """The durable store. Methods may be called concurrently; `commit` is called one at a time.

    Every method raises UnavailableError when the store cannot answer now.
    """

    @property
    def description(self) -> str:
        """How boot names it, without secrets: "SQLite event journal at …"."""
        ...

    @property
    def shared(self) -> bool:
        """Whether several processes, also of several hosts, may have this store open at once.

        Only then does a server start more than one worker. This default says no.
        """
        return False

    async def load(self, stream: str) -> Stored | None:
        """Return the stream as it stands now, or None if it has no event."""
        ...

    async def history(self, stream: str) -> Sequence[bytes]:
        """Return every event of the stream, in order."""
        ...

    async def commit(self, entries: Sequence[Entry]) -> Sequence[Committed | Conflict]:
        """Make the entries durable, in one transaction, and answer one verdict each, in order.

        Entries are judged in the order given, each against the stored sequences plus the appends of
        the earlier winners of this batch; a loser does not pull the others down. Returning means
        durable: it survives the loss of power. Raises UnavailableError if none is known to be
        committed.
        """
        ...

    async def material(self, key_id: KeyId, version: int) -> Material | None:
        """Return the material of that version, or None if it is not there."""
        ...

    async def material_page(
        self, after: tuple[KeyId, int] | None, limit: int
    ) -> Sequence[MaterialRow]:
        """Return up to `limit` rows (at most 500), ordered by key id and version, above `after`.

        Raises UnavailableError where the journal cannot list its material, as this default does.
        """
        raise UnavailableError("This journal cannot list its material")

    async def replay(self, scope: str) -> IdempotencyRow | None:
        """Return the row of that scope, or None if there is none or it has expired.

        Expired rows are deleted in passing, a bounded number with each commit of a row. Raises
        BadRequestError where the journal keeps none, as this default does.
        """
        raise BadRequestError("This server keeps no idempotency keys; send the request without one")

    async def find(self, query: Query) -> Page:
        """Return up to `limit` streams (at most 500) that match."""
        ...

    async def ledger(self, after: int, limit: int) -> Sequence[LedgerRecord]:
        """Return up to `limit` records with positions above `after`, in order."""
        ...

    async def head(self) -> int:
        """Return the position of the last committed record, 0 for none."""
        ...

    async def cursor(self, sink: str) -> int:
        """Return the position up to which `sink` has everything, 0 for nothing."""
        ...

    async def advance(self, sink: str, position: int, lease: Lease) -> bool:
        """Move the sink's cursor; return False, and do nothing, if `lease` is no longer the newest."""
        ...

    async def lease(self, name: str) -> Lease | None:
        """Take or keep leadership of `name`; None while another process holds it."""
        ...
