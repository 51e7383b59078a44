"""The master keys at hand: the newest seals, each opens what it has sealed."""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from aegis_kernel import Binding, InternalError, Material, Secret
from aegis_rot_inmemory.master import Wrapping, wrapping_of
from aegis_rot_inmemory.material import (
    KeyBytes,
    decode_key_bytes,
    is_sealed_under,
    seal_bytes,
    unseal_bytes,
)


class MasterKeys:
    """One or more master keys, the newest first. It never changes: a rotation makes another."""

    def __init__(self, keys: Sequence[Secret]) -> None:
        self.keys = tuple(keys)
        self._wrappings = tuple(map(wrapping_of, keys))

    @property
    def newest(self) -> Wrapping:
        return self._wrappings[0]

    @property
    def wrapping_keys(self) -> tuple[Secret, ...]:
        return tuple(wrapping.key for wrapping in self._wrappings)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        return tuple(wrapping.fingerprint for wrapping in self._wrappings)

    def open(self, material: Material, binding: Binding) -> KeyBytes:
        """Return the key bytes. Raises InternalError if none of the keys has sealed them so."""
        return decode_key_bytes(
            unseal_bytes(self._sealer(material, binding).key, binding, material)
        )

    def sealer(self, material: Material, binding: Binding) -> Wrapping | None:
        """Return whose key has sealed it, None if none of these; the seal itself is not tried."""
        for wrapping in self._wrappings:
            if is_sealed_under(wrapping.key, binding, material):
                return wrapping
        return None

    def rewrap(self, material: Material, binding: Binding) -> Material | None:
        """Return the same bytes under the newest key, tried by opening; None if they are already.

        Whatever they hold goes along as it is. Raises InternalError as `open` does.
        """
        sealer = self._sealer(material, binding)
        key_bytes = unseal_bytes(sealer.key, binding, material)
        decode_key_bytes(key_bytes)
        if sealer is self.newest:
            return None
        rewrapped = seal_bytes(self.newest.key, binding, key_bytes)
        if not compare_digest(unseal_bytes(self.newest.key, binding, rewrapped), key_bytes):
            raise InternalError("Re-wrapped key material does not open to what it was")
        return rewrapped

    def vouch(self, statement: bytes) -> bytes:
        """Return HMAC-SHA256 over `statement`, under the newest."""
        return _mac(self.newest, statement).finalize()

    def vouched(self, statement: bytes, mac: bytes) -> bool:
        """Return whether one of the keys made `mac`."""
        for wrapping in self._wrappings:
            try:
                _mac(wrapping, statement).verify(mac)
            except InvalidSignature:
                continue
            return True
        return False

    def _sealer(self, material: Material, binding: Binding) -> Wrapping:
        # A row that nobody here has sealed gets its one refusal from the newest.
        return self.sealer(material, binding) or self.newest


def _mac(wrapping: Wrapping, statement: bytes) -> HMAC:
    mac = HMAC(wrapping.statement_key.reveal(), SHA256())
    mac.update(statement)
    return mac
