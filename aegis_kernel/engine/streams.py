"""Keys as the journal holds them: loaded, cached by stream, and folded forward."""

from __future__ import annotations

from datetime import datetime

import msgspec

from aegis_kernel.domain.events import Event, fold
from aegis_kernel.domain.key import Key, KeyId, key_stream
from aegis_kernel.domain.lifecycle import KeyState
from aegis_kernel.domain.rotation import next_notice, next_rotation
from aegis_kernel.engine.cache import BoundedCache
from aegis_kernel.spi.journal import Append, Attributes, Journal

# Found by `find`, and never a caller's: the wire's tags do not begin with "aegis/".
PUBLISHED_TAG = "aegis/published"

_decode_key = msgspec.json.Decoder(Key).decode
_encode = msgspec.json.Encoder().encode


class View(msgspec.Struct, frozen=True):
    """A key and the sequence of its stream at which it was so; no key at sequence 0.

    `through` is the stream of the alias that led to the key, and its sequence. `further` is the
    view of the second key, where the request names one.
    """

    stream: str
    sequence: int
    key: Key | None
    through: tuple[str, int] | None = None
    further: View | None = None


class Streams:
    """A bounded cache of folded streams. It may be stale: the release fence catches that."""

    def __init__(self, journal: Journal, capacity: int) -> None:
        self._journal = journal
        self._views: BoundedCache[KeyId, View] = BoundedCache(capacity)

    async def view(self, key_id: KeyId, *, fresh: bool = False) -> View:
        """Return the key, from the cache unless it must be `fresh`. Unknown keys are not cached."""
        view = None if fresh else self._views.get(key_id)
        return view or await self._load(key_id)

    def knows(self, key_id: KeyId) -> bool:
        """Return whether the key is in the cache."""
        return self._views.get(key_id) is not None

    def put(self, view: View) -> None:
        """Keep what a commit has just made true."""
        if view.key is not None:
            self._views.put(view.key.id, view)

    def forget(self, key_id: KeyId) -> None:
        self._views.forget(key_id)

    async def _load(self, key_id: KeyId) -> View:
        stream = key_stream(key_id)
        stored = await self._journal.load(stream)
        if stored is None:
            return View(stream, 0, None)
        view = View(stream, stored.sequence, _decode_key(stored.snapshot))
        self._views.put(key_id, view)
        return view


def decode_snapshot(snapshot: bytes) -> Key:
    """Return the key of a snapshot that `append` made."""
    return _decode_key(snapshot)


def append(view: View, events: tuple[Event, ...]) -> tuple[Append, View]:
    """Return what to append to the journal, and the view once that is committed."""
    key = view.key
    for event in events:
        key = fold(key, event)
    if key is None:
        raise ValueError("an append has at least one event")
    appended = Append(
        stream=view.stream,
        events=tuple(_encode(event) for event in events),
        snapshot=_encode(key),
        attributes=_attributes(key),
    )
    return appended, View(view.stream, view.sequence + len(events), key)


def _attributes(key: Key) -> Attributes:
    return Attributes(
        state=key.state,
        name=key.spec.name,
        algorithm=key.spec.algorithm,
        owner=key.owner,
        tags={**key.tags, PUBLISHED_TAG: "true"} if _is_shown(key) else key.tags,
        due_at=_due_at(key),
    )


def _is_shown(key: Key) -> bool:
    # The set of published keys is bounded: those that have ended must not take all of its places.
    return key.published and key.state not in (KeyState.COMPROMISED, KeyState.DESTROYED)


def _due_at(key: Key) -> datetime | None:
    moments = (key.destroy_at, next_rotation(key), next_notice(key))
    return min((moment for moment in moments if moment is not None), default=None)
