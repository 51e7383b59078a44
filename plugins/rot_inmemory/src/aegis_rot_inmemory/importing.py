"""Keys from outside: unwrapped, checked, and from then on like those that were made here."""

from __future__ import annotations

import os
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding

from aegis_kernel import (
    Algorithm,
    BadRequestError,
    Executor,
    Imported,
    KeySpec,
    PlainImport,
    PublicImport,
    Secret,
    WrappedImport,
)
from aegis_rot_inmemory import checking
from aegis_rot_inmemory.checker import Checker, kind_of
from aegis_rot_inmemory.material import KeyBytes
from aegis_rot_inmemory.private_keys import load
from aegis_rot_inmemory.tokens import open_token

WRAPPING_SPEC = KeySpec(name="import", algorithm=Algorithm.RSA, size_bits=4096)
NOT_UNWRAPPED = (
    "wrappedMaterialBase64 does not unwrap: it is RSA-OAEP (SHA-256, MGF1-SHA-256) of a 256-bit AES "
    "key under this token's public key, then RFC 5649 of the material under that AES key"
)

_RSA_BYTES = 512
_AES_BYTES = 32
_SYMMETRIC = frozenset({Algorithm.AES, Algorithm.HMAC})


def importable(spec: KeySpec) -> bool:
    """Return whether keys of `spec` have a form to import: hybrids have none that is standard."""
    return spec.algorithm in _SYMMETRIC or kind_of(spec) in checking.KINDS


class Importer:
    """Takes keys from outside. Checks run in a process of their own, unwrapping in a thread."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._checker = Checker()

    async def key_bytes(
        self, wrapping_keys: Sequence[Secret], spec: KeySpec, imported: Imported
    ) -> KeyBytes:
        """Return what a version of `spec` is made of. Raises BadRequestError as the port says."""
        if not importable(spec):
            raise BadRequestError(f"A key of {kind_of(spec)} is not imported; it is made here")
        if isinstance(imported, PublicImport):
            _require_verifying(spec)
            return KeyBytes(own=await self._checker.public(imported.der, spec), public=True)
        material = await self._material(wrapping_keys, imported)
        if spec.algorithm in _SYMMETRIC:
            _require_size(material, spec)
            return KeyBytes(own=material.reveal())
        return KeyBytes(own=await self._checker.private(material, spec))

    async def _material(
        self, wrapping_keys: Sequence[Secret], imported: WrappedImport | PlainImport
    ) -> Secret:
        if isinstance(imported, PlainImport):
            return imported.material
        pkcs8 = open_token(wrapping_keys, imported.token_binding, imported.token)
        return await self._executor.run(unwrap, pkcs8, imported.wrapped)


def unwrap(pkcs8: Secret, wrapped: bytes) -> Secret:
    """Return the material in `wrapped` (CKM_RSA_AES_KEY_WRAP). RSA takes milliseconds: use a thread.

    Raises BadRequestError, the same for every cause.
    """
    oaep = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
    try:
        key = load(pkcs8.reveal()).decrypt(wrapped[:_RSA_BYTES], oaep)
    except ValueError:
        key = b""
    # What failed goes on with a key that nobody knows, so that both steps take their time.
    if len(key) != _AES_BYTES:
        key = os.urandom(_AES_BYTES)
    try:
        return Secret(aes_key_unwrap_with_padding(key, wrapped[_RSA_BYTES:]))
    except InvalidUnwrap:
        raise BadRequestError(NOT_UNWRAPPED) from None


def _require_size(material: Secret, spec: KeySpec) -> None:
    if len(material) * 8 != spec.size_bits:
        raise BadRequestError(
            f"This is no key of {kind_of(spec)}: it has {8 * len(material)} bits (raw bytes are wanted)"
        )


def _require_verifying(spec: KeySpec) -> None:
    if not spec.signature_algorithms:
        raise BadRequestError(
            f"A public key is imported to verify with; {spec.algorithm} keys do not verify"
        )
