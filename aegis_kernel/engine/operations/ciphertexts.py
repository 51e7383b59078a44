"""Which version of a key a request is about: the one its ciphertext names, or the caller does."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from aegis_kernel.domain.ciphertext import NOT_AUTHENTIC, Kind, parse_header
from aegis_kernel.domain.errors import BadRequestError, DecryptionFailedError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation, permit_version
from aegis_kernel.engine.operations.versions import processable_version

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench
    from aegis_kernel.engine.opened import Opened

_PROCESSED_BY: Mapping[Kind, Operation] = MappingProxyType(
    {
        Kind.DATA: Operation.DECRYPT,
        Kind.WRAPPED_KEY: Operation.UNWRAP,
        Kind.ENCAPSULATED: Operation.DECAPSULATE,
    }
)


async def named_version(
    bench: Bench, key: Key, ciphertext: bytes, kind: Kind, number: int | None = None
) -> Opened:
    """Return the version that the header names, if it is exactly the header we would write.

    Raises DecryptionFailedError for any other header, and BadRequestError when the caller names a
    version too.
    """
    if number is not None:
        raise BadRequestError("keyVersion goes with format raw; other ciphertexts name their own")
    header = parse_header(ciphertext)
    version = key.version(header.version)
    if header.key_id != key.id or version is None:
        raise DecryptionFailedError(NOT_AUTHENTIC, reason="made by another key or version")
    permit_version(version, _PROCESSED_BY[kind])
    opened = await bench.open(key, version.number)
    expected = opened.header(kind)
    if not expected or not ciphertext.startswith(expected):
        raise DecryptionFailedError(NOT_AUTHENTIC, reason="another kind or suite")
    return opened


async def raw_version(bench: Bench, key: Key, number: int | None) -> Opened:
    """Return the version that the caller names for a ciphertext that names none.

    Raises BadRequestError without a number, and for a key that has no public half.
    """
    if key.spec.binds_context:
        raise BadRequestError(f"format raw is for public keys; {key.spec.algorithm} keys have none")
    if number is None:
        raise BadRequestError("format raw needs keyVersion: the ciphertext does not name its own")
    return await bench.open(key, processable_version(key, number).number)
