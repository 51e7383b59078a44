"""Data keys and key pairs: what is handed out is what unwraps, and only wrapped where asked so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from aegis_kernel.domain.errors import (
    BadRequestError,
    DecryptionFailedError,
    IllegalOperationError,
    PermissionDeniedError,
)
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, Curve, KeySpec
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations import messages_secrets as ms
from tests.support.kernel import ALICE, BOB, active_key, last_record, settings

CONTEXT = {"tenant": "acme"}
KEYS = {op.GENERATE_DATA_KEY: True, op.GENERATE_DATA_KEY_WRAPPED_ONLY: False}
PAIRS = {op.GENERATE_DATA_KEY_PAIR: True, op.GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY: False}
PAIR_SPECS = [
    KeySpec(name="pair", algorithm=Algorithm.RSA, size_bits=2048),
    *(KeySpec(name="pair", algorithm=Algorithm.EC, curve=c) for c in (Curve.P256, Curve.P521)),
    *(KeySpec(name="pair", algorithm=Algorithm.EDDSA, curve=c) for c in (Curve.ED25519,)),
]
EC_PAIR = PAIR_SPECS[1]


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[Kernel]:
    async with Kernel(settings(tmp_path)) as running:
        yield running


@pytest.fixture
async def key_id(kernel: Kernel) -> KeyId:
    return await active_key(kernel, algorithm=Algorithm.AES, size_bits=256)


async def unwrapped(kernel: Kernel, key_id: KeyId, wrapped: bytes, context: Any) -> bytes:
    request = m.Unwrap(wrapped, context)
    return (await kernel.pipeline.run(op.UNWRAP, ALICE, request, key_id)).plaintext.reveal()


@pytest.mark.parametrize("declaration", KEYS, ids=lambda each: each.name)
@pytest.mark.parametrize("size_bits", [128, 192, 256, 512])
async def test_a_data_key_unwraps_in_its_context(
    kernel: Kernel, key_id: KeyId, declaration: Any, size_bits: int
) -> None:
    request = ms.GenerateDataKey(size_bits, CONTEXT)
    made = [await kernel.pipeline.run(declaration, ALICE, request, key_id) for _ in range(2)]
    plain = [await unwrapped(kernel, key_id, each.wrapped, CONTEXT) for each in made]
    assert [len(each) * 8 for each in plain] == [size_bits, size_bits]
    assert plain[0] != plain[1]
    assert made[0].algorithm == "AesKeyWrap256"
    expected = plain[0] if KEYS[declaration] else None
    assert (made[0].plaintext and made[0].plaintext.reveal()) == expected
    for context in (None, {"tenant": "other"}):
        with pytest.raises(DecryptionFailedError):
            await unwrapped(kernel, key_id, made[0].wrapped, context)


@pytest.mark.parametrize("declaration", PAIRS, ids=lambda each: each.name)
@pytest.mark.parametrize("spec", PAIR_SPECS, ids=lambda spec: spec.curve or spec.algorithm)
async def test_a_pair_is_the_private_key_of_its_public_key(
    kernel: Kernel, key_id: KeyId, declaration: Any, spec: KeySpec
) -> None:
    request = ms.GenerateDataKeyPair(spec, CONTEXT)
    made = await kernel.pipeline.run(declaration, ALICE, request, key_id)
    pkcs8 = await unwrapped(kernel, key_id, made.wrapped, CONTEXT)
    public = load_der_private_key(pkcs8, None).public_key()
    assert public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == made.public
    assert (made.plaintext and made.plaintext.reveal()) == (pkcs8 if PAIRS[declaration] else None)


async def test_the_largest_pair_fits_into_a_wrap(kernel: Kernel, key_id: KeyId) -> None:
    private = rsa.generate_private_key(65537, 4096)
    pkcs8 = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    wrapped = await kernel.pipeline.run(op.WRAP, ALICE, m.Wrap(Secret(pkcs8)), key_id)
    assert await unwrapped(kernel, key_id, wrapped.ciphertext, None) == pkcs8


@pytest.mark.parametrize("size_bits", [0, 64, 127, 1024, -128])
async def test_other_sizes_are_bad_requests(kernel: Kernel, key_id: KeyId, size_bits: int) -> None:
    with pytest.raises(BadRequestError, match="sizeBits"):
        await kernel.pipeline.run(
            op.GENERATE_DATA_KEY, ALICE, ms.GenerateDataKey(size_bits), key_id
        )


@pytest.mark.parametrize("declaration", [*KEYS, *PAIRS], ids=lambda each: each.name)
async def test_only_keys_that_wrap_make_data_keys(kernel: Kernel, declaration: Any) -> None:
    hmac = await active_key(kernel, algorithm=Algorithm.HMAC, size_bits=256)
    request = ms.GenerateDataKey(256) if declaration in KEYS else ms.GenerateDataKeyPair(EC_PAIR)
    with pytest.raises(BadRequestError, match="create an AES key"):
        await kernel.pipeline.run(declaration, ALICE, request, hmac)


async def test_no_pair_is_made_of_a_symmetric_key(kernel: Kernel, key_id: KeyId) -> None:
    spec = KeySpec(name="pair", algorithm=Algorithm.AES, size_bits=256)
    with pytest.raises(BadRequestError, match="data key pair"):
        await kernel.pipeline.run(
            op.GENERATE_DATA_KEY_PAIR, ALICE, ms.GenerateDataKeyPair(spec), key_id
        )


@pytest.mark.parametrize("declaration", [*KEYS, *PAIRS], ids=lambda each: each.name)
async def test_each_is_its_own_operation_and_its_record_shows_no_key(
    kernel: Kernel, key_id: KeyId, declaration: Any
) -> None:
    request = (
        ms.GenerateDataKey(256, CONTEXT)
        if declaration in KEYS
        else ms.GenerateDataKeyPair(EC_PAIR, CONTEXT)
    )
    await kernel.pipeline.run(declaration, ALICE, request, key_id)
    record = await last_record(kernel)
    assert (
        record.items()
        >= {
            "op": declaration.name.value,
            "keyId": key_id,
            "outcome": "Success",
            "keyVersion": 1,
            "alg": "AesKeyWrap256",
        }.items()
    )
    assert "acme" not in str(record)
    with pytest.raises(PermissionDeniedError):
        await kernel.pipeline.run(declaration, BOB, request, key_id)
    assert (await last_record(kernel))["outcome"] == "PermissionDenied"


@pytest.mark.parametrize("declaration", KEYS, ids=lambda each: each.name)
async def test_a_deactivated_key_only_unwraps(
    kernel: Kernel, key_id: KeyId, declaration: Any
) -> None:
    request = ms.GenerateDataKey(256)
    made = await kernel.pipeline.run(declaration, ALICE, request, key_id)
    await kernel.pipeline.run(op.DEACTIVATE, ALICE, m.Transition(), key_id)
    with pytest.raises(IllegalOperationError, match=r"^Cannot generate a data key with key in"):
        await kernel.pipeline.run(declaration, ALICE, request, key_id)
    assert len(await unwrapped(kernel, key_id, made.wrapped, None)) == 32
