"""MACs: strict pairing, full length, the version that made it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aegis_kernel.domain.errors import BadRequestError, IllegalOperationError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.spec import Algorithm, Curve, MacAlgorithm
from aegis_kernel.domain.usage import Usage
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations import messages_secrets as ms
from aegis_kernel.engine.operations.versions import MAX_VERSIONS_TRIED
from tests.support.kernel import ALICE, active_key, last_record, settings

MESSAGE = b"invoice #1234 total $42,000"
PAIRING = {256: "HmacSha256", 384: "HmacSha384", 512: "HmacSha512"}


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[Kernel]:
    async with Kernel(settings(tmp_path)) as running:
        yield running


async def mac_of(kernel: Kernel, key_id: KeyId, size_bits: int = 256) -> ms.Maced:
    request = ms.Mac(MacAlgorithm(PAIRING[size_bits]), MESSAGE)
    return await kernel.pipeline.run(op.MAC, ALICE, request, key_id)


async def verified(
    kernel: Kernel,
    key_id: KeyId,
    mac: bytes,
    size_bits: int = 256,
    message: bytes = MESSAGE,
    version: int | None = None,
) -> m.Verified:
    request = ms.VerifyMac(MacAlgorithm(PAIRING[size_bits]), message, mac, version)
    return await kernel.pipeline.run(op.VERIFY_MAC, ALICE, request, key_id)


@pytest.mark.parametrize("size_bits", PAIRING)
async def test_a_mac_is_whole_and_nothing_but_itself_is_valid(
    kernel: Kernel, size_bits: int
) -> None:
    key_id = await active_key(kernel, algorithm=Algorithm.HMAC, size_bits=size_bits)
    made = await mac_of(kernel, key_id, size_bits)
    assert (made.algorithm, made.key_version) == (PAIRING[size_bits], 1)
    assert len(made.mac) * 8 == size_bits
    assert await verified(kernel, key_id, made.mac, size_bits) == m.Verified(
        True, PAIRING[size_bits], 1
    )
    wrong = [b"", made.mac[:16], made.mac[:-1], made.mac + b"\0", bytes(len(made.mac))]
    wrong += [bytes(b ^ (i == at) for i, b in enumerate(made.mac)) for at in (0, 15, 31)]
    for mac in wrong:
        assert not (await verified(kernel, key_id, mac, size_bits)).valid
    assert not (await verified(kernel, key_id, made.mac, size_bits, MESSAGE + b"0")).valid
    assert (await last_record(kernel))["outcome"] == "InvalidMac"


@pytest.mark.parametrize("algorithm", MacAlgorithm)
@pytest.mark.parametrize("size_bits", PAIRING)
async def test_a_size_pairs_with_one_hash(
    kernel: Kernel, size_bits: int, algorithm: MacAlgorithm
) -> None:
    key_id = await active_key(kernel, algorithm=Algorithm.HMAC, size_bits=size_bits)
    if PAIRING[size_bits] == algorithm:
        return
    with pytest.raises(BadRequestError, match=f"pairs with {PAIRING[size_bits]}"):
        await kernel.pipeline.run(op.MAC, ALICE, ms.Mac(algorithm, MESSAGE), key_id)
    request = ms.VerifyMac(algorithm, MESSAGE, bytes(32))
    with pytest.raises(BadRequestError, match=f"pairs with {PAIRING[size_bits]}"):
        await kernel.pipeline.run(op.VERIFY_MAC, ALICE, request, key_id)


@pytest.mark.parametrize(
    "spec",
    [
        {"algorithm": Algorithm.AES, "size_bits": 256},
        {"algorithm": Algorithm.EC, "curve": Curve.P256},
    ],
)
async def test_other_keys_make_no_macs(kernel: Kernel, spec: dict[str, object]) -> None:
    with pytest.raises(BadRequestError, match="create an HMAC key"):
        await mac_of(kernel, await active_key(kernel, **spec))


async def test_older_versions_verify_and_are_named(kernel: Kernel) -> None:
    key_id = await active_key(kernel, algorithm=Algorithm.HMAC, size_bits=256)
    old = await mac_of(kernel, key_id)
    for _ in range(MAX_VERSIONS_TRIED - 1):
        await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id)
    assert (await verified(kernel, key_id, old.mac)).key_version == 1
    assert (await mac_of(kernel, key_id)).key_version == MAX_VERSIONS_TRIED
    assert not (await verified(kernel, key_id, old.mac, version=2)).valid
    await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id)
    with pytest.raises(BadRequestError, match="versions made this MAC"):
        await verified(kernel, key_id, old.mac)
    assert (await verified(kernel, key_id, old.mac, version=1)).valid
    for version in (0, 99):
        with pytest.raises(BadRequestError, match="keyVersion"):
            await verified(kernel, key_id, old.mac, version=version)


async def test_a_deactivated_key_only_verifies(kernel: Kernel) -> None:
    key_id = await active_key(kernel, algorithm=Algorithm.HMAC, size_bits=256)
    made = await mac_of(kernel, key_id)
    await kernel.pipeline.run(op.DEACTIVATE, ALICE, m.Transition(), key_id)
    assert (await verified(kernel, key_id, made.mac)).valid
    with pytest.raises(IllegalOperationError, match=r"^Cannot make a MAC with key in state"):
        await mac_of(kernel, key_id)


async def test_a_key_for_verifying_makes_none(kernel: Kernel) -> None:
    key_id = await active_key(
        kernel,
        algorithm=Algorithm.HMAC,
        size_bits=256,
        usages=frozenset({Usage.VERIFY_MAC}),
    )
    assert not (await verified(kernel, key_id, bytes(32))).valid
    with pytest.raises(IllegalOperationError, match=r"leave out mac$"):
        await mac_of(kernel, key_id)
    assert (await last_record(kernel))["reason"] == "usages leave out mac"
