"""Aliases as the journal holds them: resolved, cached, changed and listed.

What is cached may be stale: whoever uses a key through an alias expects the alias's stream unmoved,
so no result made under the key of before is ever released.
"""

from __future__ import annotations

import asyncio

import msgspec
from msgspec.structs import replace

from aegis_kernel.domain.alias import Alias, AliasEvent, AliasTarget, fold_alias
from aegis_kernel.domain.key import KeyId
from aegis_kernel.engine.cache import BoundedCache
from aegis_kernel.engine.streams import Streams, View
from aegis_kernel.spi.journal import Append, Attributes, Found, Journal, Query

FAMILY = "alias/"
# No limit is set on a key's aliases, so one answer shows at most this many.
MAX_SHOWN = 100

_SET = "Set"
_KEY = "keyId"

_decode = msgspec.json.Decoder(AliasTarget).decode
_encode = msgspec.json.Encoder().encode


class AliasView(msgspec.Struct, frozen=True, gc=False):
    """What an alias names, and the sequence of its stream at which it was so."""

    alias: Alias
    sequence: int
    key_id: KeyId | None

    @property
    def expects(self) -> tuple[str, int]:
        """What a commit that relies on this expects of the alias's stream."""
        return self.alias.stream, self.sequence


class Aliases:
    """A bounded cache of aliases. It may be stale: the release fence catches that."""

    def __init__(self, journal: Journal, streams: Streams, capacity: int) -> None:
        self._journal = journal
        self._streams = streams
        self._views: BoundedCache[str, AliasView] = BoundedCache(capacity)

    async def resolve(self, alias: Alias, *, fresh: bool = False) -> AliasView:
        """Return what the alias names. One that names no key is never cached."""
        found = None if fresh else self._views.get(alias.stream)
        return found or await self._load(alias)

    async def view(self, alias: Alias, *, fresh: bool = False) -> View:
        """Return the key that the alias names, with both streams among what it expects."""
        found = await self.resolve(alias, fresh=fresh)
        if found.key_id is None:
            return View(alias.stream, found.sequence, None)
        view = await self._streams.view(found.key_id, fresh=fresh)
        return replace(view, through=found.expects)

    def forget(self, stream: str) -> None:
        """Drop what is known of the alias with that stream."""
        self._views.forget(stream)

    async def of(self, key_id: KeyId) -> tuple[str, ...]:
        """Return the names of the key's aliases, in order of the alphabet, as the store has them."""
        query = Query(prefix=FAMILY, state=_SET, tag=(_KEY, key_id), limit=MAX_SHOWN)
        page = await self._journal.find(query)
        return tuple(sorted(_name(found) for found in page.items))

    async def page(self, after: int, limit: int) -> tuple[tuple[tuple[str, View], ...], int | None]:
        """Return up to `limit` (name, key) from the store, and where more of them follow."""
        page = await self._journal.find(Query(prefix=FAMILY, state=_SET, after=after, limit=limit))
        views = await asyncio.gather(*(self._view_of(found) for found in page.items))
        rows = zip(page.items, views, strict=True)
        return tuple((_name(f), view) for f, view in rows), page.last if page.more else None

    async def _view_of(self, found: Found) -> View:
        key_id = _decode(found.stored.snapshot).key_id
        if key_id is None:
            raise ValueError("an alias that is set names a key")
        return await self._streams.view(key_id, fresh=True)

    async def _load(self, alias: Alias) -> AliasView:
        stored = await self._journal.load(alias.stream)
        if stored is None:
            return AliasView(alias, 0, None)
        found = AliasView(alias, stored.sequence, _decode(stored.snapshot).key_id)
        if found.key_id is not None:
            self._views.put(alias.stream, found)
        return found


def append_alias(alias: Alias, event: AliasEvent) -> Append:
    """Return what to append to the alias's stream."""
    target = fold_alias(event)
    named = Attributes(state=_SET, tags={_KEY: target.key_id}) if target.key_id else Attributes()
    return Append(
        stream=alias.stream,
        events=(_encode(event),),
        snapshot=_encode(target),
        attributes=named,
    )


def _name(found: Found) -> str:
    return found.stored.stream.removeprefix(FAMILY)
