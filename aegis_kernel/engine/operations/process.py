"""Operations that process protected data, by the version that made it: verify, decrypt, unwrap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_kernel.domain.audit import INVALID_SIGNATURE, SUCCESS
from aegis_kernel.domain.ciphertext import NOT_AUTHENTIC, Kind, parse_header
from aegis_kernel.domain.context import canonical_bytes
from aegis_kernel.domain.errors import BadRequestError, DecryptionFailedError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation, permit_version
from aegis_kernel.engine.operations import interop
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages import Decrypt, Decrypted, Unwrap, Verified, Verify
from aegis_kernel.engine.operations.require import require
from aegis_kernel.engine.operations.versions import find_version

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench
    from aegis_kernel.engine.opened import Opened


async def _verify(bench: Bench, caller: Caller, key: Key | None, request: Verify) -> Effect:
    key = require(key)
    version = await find_version(
        bench,
        key,
        request.key_version,
        lambda opened: opened.verify(request.algorithm, request.message, request.signature),
        "signature",
    )
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
        raise BadRequestError(f"An {key.spec.algorithm} key does not decrypt; AES keys do")
    opened = await _opened_for(bench, key, request.ciphertext, Kind.DATA)
    header = opened.data_header
    plaintext = await opened.key.decrypt(
        header, request.ciphertext[len(header) :], canonical_bytes(request.context)
    )
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
    opened = await _opened_for(bench, key, request.wrapped, Kind.WRAPPED_KEY)
    header = opened.wrapped_key_header
    key_bytes = await opened.key.unwrap(
        header, request.wrapped[len(header) :], canonical_bytes(request.context)
    )
    return Effect(
        answer=Decrypted(key_bytes, algorithm, opened.version),
        key_version=opened.version,
        alg=algorithm,
    )


async def _opened_for(bench: Bench, key: Key, ciphertext: bytes, kind: Kind) -> Opened:
    """Return the version that the header names, if it is exactly the header we would write."""
    header = parse_header(ciphertext)
    version = key.version(header.version)
    if header.key_id != key.id or version is None:
        raise DecryptionFailedError(NOT_AUTHENTIC, reason="made by another key or version")
    permit_version(version, Operation.DECRYPT if kind is Kind.DATA else Operation.UNWRAP)
    opened = await bench.open(key, version.number)
    expected = opened.data_header if kind is Kind.DATA else opened.wrapped_key_header
    if not expected or not ciphertext.startswith(expected):
        raise DecryptionFailedError(NOT_AUTHENTIC, reason="another kind or suite")
    return opened


VERIFY: Declaration[Verify, Verified] = Declaration(Operation.VERIFY, _verify)
DECRYPT: Declaration[Decrypt, Decrypted] = Declaration(Operation.DECRYPT, _decrypt)
UNWRAP: Declaration[Unwrap, Decrypted] = Declaration(Operation.UNWRAP, _unwrap)
