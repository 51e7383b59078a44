"""RFC 5649 under the key itself, as other systems do it: no header, no derivation, no context."""

from __future__ import annotations

from collections.abc import Sequence

from aegis_kernel import NOT_AUTHENTIC, BadRequestError, DecryptionFailedError, Executor, Secret
from aegis_rot_inmemory.open_key import SigningKey
from aegis_rot_inmemory.signing import Signer
from aegis_rot_inmemory.symmetric import KWP_BYTES, kwp_unwrap, kwp_wrap

MOST_BYTES = 4096
_LEAST_WRAPPED_BYTES = 16


class KwpKey(SigningKey):
    """An AES key made for this format, which has no other use: it neither encrypts nor derives."""

    def __init__(
        self, key: Secret, companions: Sequence[Signer], executor: Executor, dev_mode: bool
    ) -> None:
        super().__init__(None, companions, executor, dev_mode)
        self._key = key

    async def wrap_rfc5649(self, key_bytes: Secret) -> bytes:
        if not 1 <= len(key_bytes) <= MOST_BYTES:
            raise BadRequestError(f"rfc5649 wraps 1 to {MOST_BYTES} bytes")
        return kwp_wrap(self._key.reveal(), key_bytes.reveal())

    async def unwrap_rfc5649(self, wrapped: bytes) -> Secret:
        if not _LEAST_WRAPPED_BYTES <= len(wrapped) <= MOST_BYTES + KWP_BYTES:
            raise DecryptionFailedError(NOT_AUTHENTIC, reason="impossible length")
        return Secret(kwp_unwrap(self._key.reveal(), wrapped))
