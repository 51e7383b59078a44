"""Operations that process protected data, by the version that made it: verify, decrypt, unwrap."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from aegis_kernel.domain.audit import INVALID_SIGNATURE, SUCCESS
from aegis_kernel.domain.ciphertext import CiphertextFormat, Kind
from aegis_kernel.domain.context import canonical_bytes
from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.signature import MessageType, require_form
from aegis_kernel.engine.operations import interop
from aegis_kernel.engine.operations.ciphertexts import named_version, raw_version
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages import Decrypt, Decrypted, Unwrap, Verified, Verify
from aegis_kernel.engine.operations.require import require, require_context_where_bound
from aegis_kernel.engine.operations.versions import find_version
from aegis_kernel.spi.root_of_trust import OpenKey

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench
    from aegis_kernel.engine.opened import Opened


async def _verify(bench: Bench, caller: Caller, key: Key | None, request: Verify) -> Effect:
    key = require(key)
    prehashed = request.message_type is MessageType.DIGEST
    require_form(request.algorithm, request.message, prehashed, request.signature_format)

    def made(opened: OpenKey) -> Awaitable[bool]:
        return opened.verify(
            request.algorithm,
            request.message,
            request.signature,
            prehashed=prehashed,
            signature_format=request.signature_format,
        )

    version = await find_version(bench, key, request.key_version, made, "signature")
    return _verified(request, version)


def _verified(request: Verify, version: int | None) -> Effect:
    valid = version is not None
    return Effect(
        answer=Verified(valid, request.algorithm, version),
        outcome=SUCCESS if valid else INVALID_SIGNATURE,
        key_version=version,
        alg=request.algorithm,
    )


async def _decrypt(bench: Bench, caller: Caller, key: Key | None, request: Decrypt) -> Effect:
    key = require(key)
    algorithm = key.spec.encryption_algorithm
    if algorithm is None:
        raise BadRequestError(f"This {key.spec.algorithm} key does not decrypt; AES keys do")
    require_context_where_bound(key.spec, request.context)
    if request.format is CiphertextFormat.RAW:
        opened = await raw_version(bench, key, request.key_version)
        plaintext = await opened.key.decrypt_raw(request.ciphertext)
    else:
        opened = await named_version(bench, key, request.ciphertext, Kind.DATA, request.key_version)
        header = opened.data_header
        plaintext = await opened.key.decrypt(
            header, request.ciphertext[len(header) :], canonical_bytes(request.context)
        )
    return decrypted(key, opened, plaintext)


def decrypted(key: Key, opened: Opened, plaintext: Secret) -> Effect:
    """Return the effect of having decrypted."""
    algorithm = str(key.spec.encryption_algorithm)
    return Effect(
        answer=Decrypted(plaintext, algorithm, opened.version),
        key_version=opened.version,
        alg=algorithm,
    )


async def _unwrap(bench: Bench, caller: Caller, key: Key | None, request: Unwrap) -> Effect:
    key = require(key)
    algorithm = key.spec.wrapping_algorithm
    if algorithm is None:
        raise BadRequestError(f"An {key.spec.algorithm} key does not unwrap; AES keys do")
    if interop.concerns(key, request):
        return await interop.unwrap(bench, key, request)
    if request.key_version is not None:
        raise BadRequestError("keyVersion goes with a format; our own names the version itself")
    opened = await named_version(bench, key, request.wrapped, Kind.WRAPPED_KEY)
    header = opened.wrapped_key_header
    key_bytes = await opened.key.unwrap(
        header, request.wrapped[len(header) :], canonical_bytes(request.context)
    )
    return Effect(
        answer=Decrypted(key_bytes, algorithm, opened.version),
        key_version=opened.version,
        alg=algorithm,
    )


VERIFY: Declaration[Verify, Verified] = Declaration(Operation.VERIFY, _verify)
DECRYPT: Declaration[Decrypt, Decrypted] = Declaration(Operation.DECRYPT, _decrypt)
UNWRAP: Declaration[Unwrap, Decrypted] = Declaration(Operation.UNWRAP, _unwrap)
