"""Opened key pairs that encrypt or encapsulate with their public half."""

from __future__ import annotations

from collections.abc import Sequence

from aegis_kernel import (
    BadRequestError,
    Binding,
    Encapsulated,
    Executor,
    Kind,
    Secret,
    Suite,
    canonical_bytes,
)
from aegis_rot_inmemory.encapsulation import Encapsulation
from aegis_rot_inmemory.encryption import Encryption
from aegis_rot_inmemory.open_key import PrivateKey, SigningKey, admit_own, own_header, require_own
from aegis_rot_inmemory.private_keys import Hybrid
from aegis_rot_inmemory.signing import Signer

_NO_CONTEXT = canonical_bytes(None)


class _Encrypting(SigningKey):
    """What encrypting keys have in common. What takes more than 100 µs goes to a thread."""

    _encryption: Encryption
    _most_bytes: int | None
    _own_header: bytes

    def _encrypt_with(self, binding: Binding, encryption: Encryption) -> None:
        self._encryption = encryption
        self._most_bytes = binding.spec.plaintext_most_bytes
        self._own_header = own_header(encryption.suite, binding, Kind.DATA)

    @property
    def suite(self) -> Suite:
        return self._encryption.suite

    async def encrypt(self, header: bytes, plaintext: Secret, context: bytes) -> bytes:
        require_own(header, self._own_header)
        _require_no_context(context)
        if self._most_bytes is not None and len(plaintext) > self._most_bytes:
            raise BadRequestError(f"This key encrypts at most {self._most_bytes} bytes")
        encrypt = self._encryption.encrypt
        if self._encryption.is_encrypting_slow:
            return await self._executor.run(encrypt, plaintext.reveal(), header)
        return encrypt(plaintext.reveal(), header)

    async def decrypt(self, header: bytes, body: bytes, context: bytes) -> Secret:
        admit_own(header, self._own_header)
        _require_no_context(context)
        return await self._decrypt(body, header)

    async def decrypt_raw(self, ciphertext: bytes) -> Secret:
        return await self._decrypt(ciphertext, b"")

    async def _decrypt(self, ciphertext: bytes, label: bytes) -> Secret:
        decrypt = self._encryption.decrypt
        if self._encryption.is_decrypting_slow:
            return Secret(await self._executor.run(decrypt, ciphertext, label))
        return Secret(decrypt(ciphertext, label))


class EncryptingPrivateKey(_Encrypting, PrivateKey):
    """RSA and EC keys: they sign, encrypt, and on a curve derive as well."""

    def __init__(
        self,
        binding: Binding,
        own: Signer,
        companions: Sequence[Signer],
        executor: Executor,
        dev_mode: bool,
        *,
        encryption: Encryption,
    ) -> None:
        PrivateKey.__init__(self, binding.spec, own, companions, executor, dev_mode)
        self._encrypt_with(binding, encryption)


class HybridKey(_Encrypting):
    """ML-KEM and a curve in one: such a key encrypts, and does nothing else."""

    def __init__(
        self,
        binding: Binding,
        hybrid: Hybrid,
        companions: Sequence[Signer],
        executor: Executor,
        dev_mode: bool,
        *,
        encryption: Encryption,
    ) -> None:
        super().__init__(None, companions, executor, dev_mode)
        self._hybrid = hybrid
        self._encrypt_with(binding, encryption)

    @property
    def public_key(self) -> bytes:
        return self._hybrid.public_key()


class EncapsulatingKey(SigningKey):
    """ML-KEM keys."""

    def __init__(
        self,
        encapsulation: Encapsulation,
        companions: Sequence[Signer],
        executor: Executor,
        dev_mode: bool,
    ) -> None:
        super().__init__(None, companions, executor, dev_mode)
        self._encapsulation = encapsulation

    @property
    def suite(self) -> Suite:
        return self._encapsulation.suite

    @property
    def public_key(self) -> bytes:
        return self._encapsulation.public_key()

    async def encapsulate(self) -> Encapsulated:
        return self._encapsulation.encapsulate()

    async def decapsulate(self, ciphertext: bytes) -> Secret:
        return self._encapsulation.decapsulate(ciphertext)


def _require_no_context(context: bytes) -> None:
    if context != _NO_CONTEXT:
        raise BadRequestError("This key binds no encryption context; AES keys do")
