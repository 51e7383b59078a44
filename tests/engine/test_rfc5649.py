"""The format rfc5649: what others wrapped unwraps, for keys that do nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.keywrap import (
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

from aegis_kernel.domain.errors import (
    BadRequestError,
    DecryptionFailedError,
    IllegalOperationError,
)
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, WrapFormat
from aegis_kernel.domain.usage import Usage
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations import messages_secrets as ms
from aegis_kernel.testing.keys import damaged
from tests.support.kernel import ALICE, active_key, last_record, settings

RFC5649 = WrapFormat.RFC5649
KEY_BYTES = bytes(range(32))
INTEROP = frozenset({Usage.WRAP_RFC5649})


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[Kernel]:
    async with Kernel(settings(tmp_path)) as running:
        yield running


@pytest.fixture
async def key_id(kernel: Kernel) -> KeyId:
    return await active_key(kernel, algorithm=Algorithm.AES, size_bits=256, usages=INTEROP)


async def wrap(kernel: Kernel, key_id: KeyId, **more: Any) -> m.Encrypted:
    request = m.Wrap(**({"key_bytes": Secret(KEY_BYTES), "format": RFC5649} | more))
    return await kernel.pipeline.run(op.WRAP, ALICE, request, key_id)


async def unwrap(kernel: Kernel, key_id: KeyId, wrapped: bytes, **more: Any) -> m.Decrypted:
    request = m.Unwrap(wrapped, **({"format": RFC5649} | more))
    return await kernel.pipeline.run(op.UNWRAP, ALICE, request, key_id)


async def kek_of(kernel: Kernel, key_id: KeyId) -> bytes:
    key = (await kernel.pipeline.run(op.GET, ALICE, m.GetKey(), key_id)).key
    opened: Any = await kernel.pipeline._bench.open(key, key.current_version)
    kek: bytes = opened.key._key._key.reveal()
    return kek


@pytest.mark.parametrize("size", [16, 17, 32, 4096])
async def test_it_is_what_the_library_makes_under_the_same_key(
    kernel: Kernel, key_id: KeyId, size: int
) -> None:
    key_bytes, kek = (bytes(range(255)) * 17)[:size], await kek_of(kernel, key_id)
    made = await wrap(kernel, key_id, key_bytes=Secret(key_bytes))
    assert (made.algorithm, made.key_version) == ("AesKwp256", 1)
    assert aes_key_unwrap_with_padding(kek, made.ciphertext) == key_bytes
    theirs = aes_key_wrap_with_padding(kek, key_bytes)
    assert (await unwrap(kernel, key_id, theirs)).plaintext.reveal() == key_bytes
    assert (await last_record(kernel))["alg"] == "AesKwp256"


async def test_nothing_damaged_unwraps(kernel: Kernel, key_id: KeyId) -> None:
    made = await wrap(kernel, key_id)
    for bad in damaged(made.ciphertext):
        with pytest.raises(DecryptionFailedError):
            await unwrap(kernel, key_id, bad)
    other = await active_key(kernel, algorithm=Algorithm.AES, size_bits=256, usages=INTEROP)
    with pytest.raises(DecryptionFailedError):
        await unwrap(kernel, other, made.ciphertext)


async def test_the_version_is_named_where_there_are_several(kernel: Kernel, key_id: KeyId) -> None:
    old = await wrap(kernel, key_id)
    assert (await unwrap(kernel, key_id, old.ciphertext)).key_version == 1
    await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id)
    assert (await wrap(kernel, key_id)).key_version == 2
    with pytest.raises(BadRequestError, match="which of 2 versions"):
        await unwrap(kernel, key_id, old.ciphertext)
    unwrapped = await unwrap(kernel, key_id, old.ciphertext, key_version=1)
    assert unwrapped.plaintext.reveal() == KEY_BYTES
    with pytest.raises(DecryptionFailedError):
        await unwrap(kernel, key_id, old.ciphertext, key_version=2)
    for version in (0, 3):
        with pytest.raises(BadRequestError, match="keyVersion"):
            await unwrap(kernel, key_id, old.ciphertext, key_version=version)


@pytest.mark.parametrize("context", [{}, {"tenant": "acme"}])
async def test_a_context_is_refused_rather_than_not_bound(
    kernel: Kernel, key_id: KeyId, context: dict[str, str]
) -> None:
    with pytest.raises(BadRequestError, match="binds no context"):
        await wrap(kernel, key_id, context=context)
    with pytest.raises(BadRequestError, match="binds no context"):
        await unwrap(kernel, key_id, bytes(40), context=context)


@pytest.mark.parametrize("usages", [None, frozenset({Usage.WRAP, Usage.UNWRAP})])
async def test_a_key_made_for_anything_else_does_not_do_it(kernel: Kernel, usages: Any) -> None:
    key_id = await active_key(kernel, algorithm=Algorithm.AES, size_bits=256, usages=usages)
    with pytest.raises(IllegalOperationError, match="leave out wrapRfc5649"):
        await wrap(kernel, key_id)
    assert (await last_record(kernel))["reason"] == "usages leave out wrapRfc5649"
    with pytest.raises(IllegalOperationError, match="leave out wrapRfc5649"):
        await unwrap(kernel, key_id, bytes(40))
    with pytest.raises(BadRequestError, match="goes with a format"):
        await unwrap(kernel, key_id, bytes(180), format=None, key_version=1)


async def test_a_key_made_for_it_does_nothing_else(kernel: Kernel, key_id: KeyId) -> None:
    for declaration, request in (
        (op.WRAP, m.Wrap(Secret(KEY_BYTES))),
        (op.UNWRAP, m.Unwrap(bytes(180))),
        (op.ENCRYPT, m.Encrypt(Secret(b"x"))),
        (op.DECRYPT, m.Decrypt(bytes(200))),
        (op.GENERATE_DATA_KEY, ms.GenerateDataKey(256)),
        (op.GENERATE_DATA_KEY_WRAPPED_ONLY, ms.GenerateDataKey(256)),
    ):
        anything: Any = declaration
        with pytest.raises(IllegalOperationError):
            await kernel.pipeline.run(anything, ALICE, request, key_id)


@pytest.mark.parametrize("size", [0, 15, 4097])
async def test_only_keys_are_wrapped(kernel: Kernel, key_id: KeyId, size: int) -> None:
    with pytest.raises(BadRequestError):
        await wrap(kernel, key_id, key_bytes=Secret(bytes(size)))
