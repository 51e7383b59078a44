"""Opened keys: what a version can do, ready to do it."""

from __future__ import annotations

from collections.abc import Sequence

from aegis_kernel import (
    NOT_AUTHENTIC,
    AegisError,
    AgreementAlgorithm,
    BadRequestError,
    Binding,
    DecryptionFailedError,
    Executor,
    Header,
    InternalError,
    KeySpec,
    Kind,
    OpenKey,
    Secret,
    SignatureAlgorithm,
    SignatureFormat,
    Suite,
)
from aegis_rot_inmemory import suite
from aegis_rot_inmemory.agreement import agree
from aegis_rot_inmemory.generation import COMPANIONS
from aegis_rot_inmemory.signing import Signer
from aegis_rot_inmemory.suite_many import seal_many, unseal_many


class SigningKey(OpenKey):
    """Signs with its own private key, if it has one, and with its companions."""

    def __init__(
        self, own: Signer | None, companions: Sequence[Signer], executor: Executor, dev_mode: bool
    ) -> None:
        self._own = own
        self._signers = (own, *companions) if own else tuple(companions)
        self._executor = executor
        self._dev_mode = dev_mode

    @property
    def public_key(self) -> bytes | None:
        return self._own.public_key() if self._own else None

    async def sign(
        self,
        algorithm: SignatureAlgorithm,
        message: bytes,
        *,
        prehashed: bool = False,
        signature_format: SignatureFormat = SignatureFormat.DER,
    ) -> bytes:
        signer = self._signer(algorithm)
        if signer.is_slow:
            return await self._executor.run(
                signer.sign, algorithm, message, prehashed, signature_format
            )
        return signer.sign(algorithm, message, prehashed, signature_format)

    async def verify(
        self,
        algorithm: SignatureAlgorithm,
        message: bytes,
        signature: bytes,
        *,
        prehashed: bool = False,
        signature_format: SignatureFormat = SignatureFormat.DER,
    ) -> bool:
        return self._signer(algorithm).verify(
            algorithm, message, signature, prehashed, signature_format
        )

    def _signer(self, algorithm: SignatureAlgorithm) -> Signer:
        for signer in self._signers:
            if algorithm in signer.algorithms:
                return signer
        may_rotate = self._dev_mode and algorithm in COMPANIONS
        remedy = f"{'rotate it, or ' if may_rotate else ''}{_remedy(algorithm)}"
        raise BadRequestError(f"This key version does not sign with {algorithm}; {remedy}")


class PrivateKey(SigningKey):
    """Signs; on the curves of EC it derives as well."""

    def __init__(
        self,
        spec: KeySpec,
        own: Signer,
        companions: Sequence[Signer],
        executor: Executor,
        dev_mode: bool,
    ) -> None:
        super().__init__(own, companions, executor, dev_mode)
        self._agreement = spec.agreement_algorithm
        self._agreeing = own.agreeing_key
        self._is_slow = own.is_slow

    async def derive(
        self, algorithm: AgreementAlgorithm, peer: bytes, info: bytes, length_bytes: int
    ) -> Secret:
        if self._agreeing is None or algorithm is not self._agreement:
            raise BadRequestError(f"This key does not derive with {algorithm}")
        arguments = self._agreeing, algorithm, peer, info, length_bytes
        return await self._executor.run(agree, *arguments) if self._is_slow else agree(*arguments)


class AesKey(SigningKey):
    """Encrypts and wraps in suite 1, under its own headers and no others."""

    def __init__(
        self,
        binding: Binding,
        key: Secret,
        companions: Sequence[Signer],
        executor: Executor,
        dev_mode: bool,
    ) -> None:
        super().__init__(None, companions, executor, dev_mode)
        self._key = key
        self._data_header = own_header(suite.SUITE, binding, Kind.DATA)
        self._wrap_header = own_header(suite.SUITE, binding, Kind.WRAPPED_KEY)

    @property
    def suite(self) -> Suite:
        return suite.SUITE

    async def encrypt(self, header: bytes, plaintext: Secret, context: bytes) -> bytes:
        require_own(header, self._data_header)
        return suite.seal(self._key.reveal(), header, plaintext.reveal(), context)

    async def decrypt(self, header: bytes, body: bytes, context: bytes) -> Secret:
        admit_own(header, self._data_header)
        return Secret(suite.unseal(self._key.reveal(), header, body, context))

    async def encrypt_many(
        self, header: bytes, items: Sequence[tuple[Secret, bytes]]
    ) -> Sequence[bytes | AegisError]:
        require_own(header, self._data_header)
        return seal_many(self._key.reveal(), header, items)

    async def decrypt_many(
        self, header: bytes, items: Sequence[tuple[bytes, bytes]]
    ) -> Sequence[Secret | AegisError]:
        admit_own(header, self._data_header)
        return unseal_many(self._key.reveal(), header, items)

    async def wrap(self, header: bytes, key_bytes: Secret, context: bytes) -> bytes:
        require_own(header, self._wrap_header)
        return suite.wrap(self._key.reveal(), header, key_bytes.reveal(), context)

    async def unwrap(self, header: bytes, body: bytes, context: bytes) -> Secret:
        admit_own(header, self._wrap_header)
        return Secret(suite.unwrap(self._key.reveal(), header, body, context))


def own_header(of: Suite, binding: Binding, kind: Kind) -> bytes:
    """Return the header of a version's own ciphertexts."""
    return Header(of, kind, binding.key_id, binding.version).encode()


def require_own(header: bytes, own: bytes) -> None:
    """Raise InternalError for a header that the kernel must not have given us."""
    if header != own:
        raise InternalError("The header is not one of this key version")


def admit_own(header: bytes, own: bytes) -> None:
    """Raise DecryptionFailedError for the header of another ciphertext."""
    # The seal binds the header anyway; this refuses another key, version or kind in plain sight.
    if header != own:
        raise DecryptionFailedError(NOT_AUTHENTIC, reason="header of another key, version or kind")


def _remedy(algorithm: SignatureAlgorithm) -> str:
    if algorithm.startswith("Rsa"):
        return "create an RSA key for that"
    if algorithm.startswith("Ecdsa"):
        return f"create an EC key for that, on a curve that pairs with {algorithm}"
    if algorithm.startswith("MlDsa"):
        return f"create an ML-DSA-{algorithm[-2:]} key for that"
    return f"create an EdDSA key on {algorithm} for that"
