"""A version that is somebody's public key: it verifies, and nothing else."""

from __future__ import annotations

from typing import NoReturn

from aegis_kernel import (
    AgreementAlgorithm,
    BadRequestError,
    OpenKey,
    Secret,
    SignatureAlgorithm,
    SignatureFormat,
)
from aegis_rot_inmemory.signing import Verifier


class VerifyingKey(OpenKey):
    """Opened from a public key that was imported."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    @property
    def public_key(self) -> bytes:
        return self._verifier.public_key()

    async def verify(
        self,
        algorithm: SignatureAlgorithm,
        message: bytes,
        signature: bytes,
        *,
        prehashed: bool = False,
        signature_format: SignatureFormat = SignatureFormat.DER,
    ) -> bool:
        if algorithm not in self._verifier.algorithms:
            raise BadRequestError(f"This key version does not verify {algorithm}")
        return self._verifier.verify(algorithm, message, signature, prehashed, signature_format)

    async def sign(
        self,
        algorithm: SignatureAlgorithm,
        message: bytes,
        *,
        prehashed: bool = False,
        signature_format: SignatureFormat = SignatureFormat.DER,
    ) -> bytes:
        _refuse()

    async def encrypt(self, header: bytes, plaintext: Secret, context: bytes) -> bytes:
        _refuse()

    async def decrypt(self, header: bytes, body: bytes, context: bytes) -> Secret:
        _refuse()

    async def decrypt_raw(self, ciphertext: bytes) -> Secret:
        _refuse()

    async def derive(
        self, algorithm: AgreementAlgorithm, peer: bytes, info: bytes, length_bytes: int
    ) -> Secret:
        _refuse()


def _refuse() -> NoReturn:
    raise BadRequestError(
        "This key version is a public key that was imported: it verifies, and nothing else"
    )
