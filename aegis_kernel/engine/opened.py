"""Opened keys: a bounded cache of what the roots of trust have unwrapped."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from aegis_kernel.domain.ciphertext import Header, Kind
from aegis_kernel.domain.errors import InternalError, UnavailableError
from aegis_kernel.domain.key import Key, KeyId, KeyVersion
from aegis_kernel.engine.cache import BoundedCache
from aegis_kernel.engine.checked_key import CheckedKey
from aegis_kernel.spi.journal import Journal
from aegis_kernel.spi.root_of_trust import Binding, OpenKey, RootOfTrust
from aegis_kernel.spi.sealing import MaterialKeeper


class Opened(msgspec.Struct, frozen=True, gc=False):
    """One version, ready to use, with the headers of its ciphertexts (empty if it makes none)."""

    key: OpenKey
    version: int
    data_header: bytes
    wrapped_key_header: bytes
    encapsulated_header: bytes

    def header(self, kind: Kind) -> bytes:
        """Return the header of such a ciphertext."""
        if kind is Kind.DATA:
            return self.data_header
        return self.wrapped_key_header if kind is Kind.WRAPPED_KEY else self.encapsulated_header


class OpenedKeys:
    """Opens versions through the root of trust that made them."""

    def __init__(self, journal: Journal, roots: Mapping[str, RootOfTrust], capacity: int) -> None:
        self._journal = journal
        self._roots = roots
        self._opened: BoundedCache[tuple[KeyId, int], Opened] = BoundedCache(capacity)

    async def get(self, key: Key, number: int) -> Opened:
        """Return version `number`, which the key has. Raises UnavailableError if its root is away."""
        opened = self._opened.get((key.id, number))
        return opened or await self._open(key, key.versions[number - 1])

    def forget(self, key: Key) -> None:
        """Drop every version, so that no secret outlives its key here."""
        for version in key.versions:
            self._opened.forget((key.id, version.number))

    async def _open(self, key: Key, version: KeyVersion) -> Opened:
        root = self._roots.get(version.root_of_trust)
        if root is None:
            raise UnavailableError(
                "This key's root of trust is not configured here",
                reason=f"add {version.root_of_trust} to AEGIS_ROT_KIND",
            )
        binding = Binding(key.id, version.number, key.spec)
        try:
            open_key = await self._unwrap(root, binding)
        except InternalError:
            if not isinstance(root, MaterialKeeper):
                raise
            # Another process may have rotated the master key meanwhile.
            await root.look_again()
            open_key = await self._unwrap(root, binding)
        opened = Opened(
            CheckedKey(open_key),
            version.number,
            _header(open_key, key, version, Kind.DATA),
            _header(open_key, key, version, Kind.WRAPPED_KEY),
            _header(open_key, key, version, Kind.ENCAPSULATED),
        )
        self._opened.put((key.id, version.number), opened)
        return opened

    async def _unwrap(self, root: RootOfTrust, binding: Binding) -> OpenKey:
        material = await self._journal.material(binding.key_id, binding.version)
        if material is None:
            raise InternalError("This key's material is missing", reason="no material row")
        return await root.open_key(material, binding)


def _header(open_key: OpenKey, key: Key, version: KeyVersion, kind: Kind) -> bytes:
    if open_key.suite is None:
        return b""
    return Header(open_key.suite, kind, key.id, version.number).encode()
