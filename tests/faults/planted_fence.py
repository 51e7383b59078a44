"""Bugs of the release fence, each of which a protocol must notice; whatever the journal."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from aegis_kernel.domain.key import KeyId
from aegis_kernel.engine.commit import Committer
from aegis_kernel.engine.streams import Streams, View
from aegis_kernel.spi.journal import Conflict, Entry


def fences_no_use() -> None:
    """Release what was decided on a cached key, whatever has become of the key meanwhile."""
    commit = Committer.commit

    async def blind(self: Committer, entry: Entry) -> Any:
        if not entry.appends:
            entry = msgspec.structs.replace(entry, expects={})
        return await commit(self, entry)

    Committer.commit = blind  # type: ignore[method-assign]


def trusts_for_a_second() -> None:
    """Believe what was cached for a second, and fence nothing."""
    fences_no_use()
    view, loaded = Streams.view, dict[KeyId, float]()

    async def trusting(self: Streams, key_id: KeyId, *, fresh: bool = False) -> View:
        now = time.monotonic()
        is_old = now - loaded.get(key_id, 0) > 1
        if is_old:
            loaded[key_id] = now
        return await view(self, key_id, fresh=fresh or is_old)

    Streams.view = trusting  # type: ignore[method-assign]


def last_write_wins() -> None:
    """Commit a change that has lost all the same, over what has won."""
    commit = Committer.commit

    async def over(self: Committer, entry: Entry) -> Any:
        verdict = await commit(self, entry)
        while isinstance(verdict, Conflict) and entry.appends:
            stored = {stream: await self._journal.load(stream) for stream in entry.expects}
            now = {stream: found.sequence if found else 0 for stream, found in stored.items()}
            entry = msgspec.structs.replace(entry, expects=now, material=())
            verdict = await commit(self, entry)
        return verdict

    Committer.commit = over  # type: ignore[method-assign]
