"""HMAC keys: MACs of their one algorithm, in full length."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from aegis_kernel import BadRequestError, Executor, KeySpec, MacAlgorithm, Secret
from aegis_rot_inmemory.open_key import SigningKey
from aegis_rot_inmemory.signing import Signer


class MacKey(SigningKey):
    """Makes MACs with the hash that is as long as the key (RFC 2104 §3)."""

    def __init__(
        self,
        spec: KeySpec,
        key: Secret,
        companions: Sequence[Signer],
        executor: Executor,
        dev_mode: bool,
    ) -> None:
        super().__init__(None, companions, executor, dev_mode)
        self._algorithm = spec.mac_algorithm
        self._hash = f"sha{spec.size_bits}"
        self._key = key

    async def mac(self, algorithm: MacAlgorithm, message: bytes) -> bytes:
        self._require_pairing(algorithm)
        return hmac.digest(self._key.reveal(), message, self._hash)

    async def verify_mac(self, algorithm: MacAlgorithm, message: bytes, mac: bytes) -> bool:
        self._require_pairing(algorithm)
        return hmac.compare_digest(hmac.digest(self._key.reveal(), message, self._hash), mac)

    def _require_pairing(self, algorithm: MacAlgorithm) -> None:
        if algorithm is not self._algorithm:
            raise BadRequestError(f"This key makes MACs with {self._algorithm}, not {algorithm}")
