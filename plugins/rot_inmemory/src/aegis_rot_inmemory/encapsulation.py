"""ML-KEM (FIPS 203). Suite 8 is ML-KEM-768, suite 9 ML-KEM-1024: the header, then its ciphertext.

The header only says which version a ciphertext is for. Nothing binds it: FIPS 203 has no label, and
a ciphertext that was made for another key decapsulates to another secret.
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import mlkem

from aegis_kernel import (
    HEADER_BYTES,
    NOT_AUTHENTIC,
    DecryptionFailedError,
    Encapsulated,
    EncapsulationAlgorithm,
    Secret,
    Suite,
)
from aegis_rot_inmemory.private_keys import encode_public

PrivateKey = mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey

_SUITE_NUMBERS: Mapping[EncapsulationAlgorithm, int] = {
    EncapsulationAlgorithm.ML_KEM_768: 8,
    EncapsulationAlgorithm.ML_KEM_1024: 9,
}


class Encapsulation:
    """A key pair that agrees on secrets: 19 to 39 µs each, so never in a thread."""

    def __init__(self, algorithm: EncapsulationAlgorithm, private: PrivateKey) -> None:
        self.suite = Suite(_SUITE_NUMBERS[algorithm], HEADER_BYTES)
        self._private = private
        self._public = private.public_key()

    def public_key(self) -> bytes:
        """Return the DER SubjectPublicKeyInfo (RFC 5280 §4.1)."""
        return encode_public(self._public)

    def encapsulate(self) -> Encapsulated:
        """Return a fresh secret and its ciphertext."""
        shared_secret, ciphertext = self._public.encapsulate()
        return Encapsulated(Secret(shared_secret), ciphertext)

    def decapsulate(self, ciphertext: bytes) -> Secret:
        """Return the secret. Raises DecryptionFailedError for a ciphertext of another length only."""
        try:
            return Secret(self._private.decapsulate(ciphertext))
        except ValueError:
            raise DecryptionFailedError(NOT_AUTHENTIC, reason="another length") from None
