"""The published public keys, as one JSON Web Key Set (RFC 7517 §5)."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from aegis_kernel.domain.errors import AegisError
from aegis_kernel.domain.key import Key, KeyVersion
from aegis_kernel.engine.bench import Bench
from aegis_kernel.engine.public_keys import Jwk, jwk
from aegis_kernel.engine.streams import PUBLISHED_TAG, decode_snapshot
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.journal import Query

MAX_PUBLISHED_KEYS = 500
MAX_VERSIONS_PER_KEY = 16
FRESH_SECONDS = 10.0


class _Set(msgspec.Struct, frozen=True):
    keys: tuple[Jwk, ...]


class Published(msgspec.Struct, frozen=True):
    """The set as JSON bytes, and a strong entity tag of exactly these bytes."""

    body: bytes
    etag: str


class KeySet(msgspec.Struct):
    """Built anew at most every 10 s, so a compromised key is gone from it within 10 s.

    A key that its owner published is in it with each version that may still verify, newest first,
    at most 16; `kid` is "<key id>.<version>". Disabled keys and keys scheduled for destruction are
    left out, and so is a key whose root of trust is away.
    """

    bench: Bench
    clock: Clock
    built_at: float = float("-inf")
    last: Published = Published(b"", "")

    async def published(self) -> Published:
        """Return the set as of at most 10 s ago. Raises UnavailableError if the journal is away."""
        if self.clock.monotonic() - self.built_at >= FRESH_SECONDS:
            body = msgspec.json.encode(_Set(tuple(await self._build())))
            self.last = Published(body, sha256(body).hexdigest()[:32])
            self.built_at = self.clock.monotonic()
        return self.last

    async def _build(self) -> list[Jwk]:
        query = Query(prefix="key/", tag=(PUBLISHED_TAG, None), limit=MAX_PUBLISHED_KEYS)
        page = await self.bench.journal.find(query)
        keys = [decode_snapshot(found.stored.snapshot) for found in page.items]
        found_keys = [await self._jwk(key, v) for key in keys for v in _shown_versions(key)]
        return [each for each in found_keys if each is not None]

    async def _jwk(self, key: Key, version: KeyVersion) -> Jwk | None:
        try:
            opened = await self.bench.open(key, version.number)
        except AegisError:
            return None
        der = opened.key.public_key
        return None if der is None else jwk(der, f"{key.id}.{version.number}")


def _shown_versions(key: Key) -> list[KeyVersion]:
    if key.disabled or key.destroy_at is not None:
        return []
    usable = [version for version in reversed(key.versions) if version.is_processable]
    return usable[:MAX_VERSIONS_PER_KEY]
