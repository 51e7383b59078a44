"""One version can be compromised alone: it then does nothing any more, and stays so."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aegis_kernel.domain.errors import BadRequestError, IllegalOperationError, NotFoundError
from aegis_kernel.domain.key import Key, KeyId
from aegis_kernel.domain.lifecycle import KeyState
from aegis_kernel.domain.rotation import RotationPolicy
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, KeySpec, SignatureAlgorithm
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from tests.support.kernel import ALICE, settings

ECDSA = SignatureAlgorithm.ECDSA_SHA256


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[Kernel]:
    async with Kernel(settings(tmp_path)) as running:
        yield running


async def new_key(kernel: Kernel) -> KeyId:
    spec = KeySpec(name="versions", algorithm=Algorithm.AES, size_bits=256)
    return (await kernel.pipeline.run(op.CREATE, ALICE, m.CreateKey(spec=spec))).key.id


async def active_key(kernel: Kernel) -> KeyId:
    key_id = await new_key(kernel)
    await kernel.pipeline.run(op.ACTIVATE, ALICE, m.Transition(), key_id)
    return key_id


async def compromise(kernel: Kernel, key_id: KeyId, number: int) -> Key:
    request = m.CompromiseVersion(number, "leaked")
    return (await kernel.pipeline.run(op.COMPROMISE_VERSION, ALICE, request, key_id)).key


async def rotate(kernel: Kernel, key_id: KeyId) -> Key:
    return (await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id)).key


async def encrypt(kernel: Kernel, key_id: KeyId) -> bytes:
    request = m.Encrypt(Secret(b"hello"))
    return (await kernel.pipeline.run(op.ENCRYPT, ALICE, request, key_id)).ciphertext


async def decrypt(kernel: Kernel, key_id: KeyId, ciphertext: bytes) -> bytes:
    answer = await kernel.pipeline.run(op.DECRYPT, ALICE, m.Decrypt(ciphertext), key_id)
    return answer.plaintext.reveal()


async def test_a_compromised_version_decrypts_nothing_and_the_others_go_on(kernel: Kernel) -> None:
    key_id = await active_key(kernel)
    first = await encrypt(kernel, key_id)
    await rotate(kernel, key_id)
    second = await encrypt(kernel, key_id)
    key = await compromise(kernel, key_id, 1)
    assert (key.state, key.versions[0].reason) == (KeyState.ACTIVE, "leaked")
    assert key.versions[0].compromised_at is not None
    with pytest.raises(
        IllegalOperationError, match=r"^Cannot decrypt with version 1 in state Compromised$"
    ):
        await decrypt(kernel, key_id, first)
    assert await decrypt(kernel, key_id, second) == b"hello"
    await encrypt(kernel, key_id)


async def test_a_compromised_version_unwraps_nothing(kernel: Kernel) -> None:
    key_id = await active_key(kernel)
    wrap = m.Wrap(Secret(bytes(32)))
    wrapped = (await kernel.pipeline.run(op.WRAP, ALICE, wrap, key_id)).ciphertext
    await compromise(kernel, key_id, 1)
    with pytest.raises(IllegalOperationError, match=r"^Cannot unwrap with version 1 in state"):
        await kernel.pipeline.run(op.UNWRAP, ALICE, m.Unwrap(wrapped), key_id)


async def test_verify_skips_a_compromised_version_and_refuses_it_by_name(kernel: Kernel) -> None:
    key_id = await active_key(kernel)
    signed = await kernel.pipeline.run(op.SIGN, ALICE, m.Sign(ECDSA, b"hello"), key_id)
    await rotate(kernel, key_id)
    unnamed = m.Verify(ECDSA, b"hello", signed.signature)
    assert (await kernel.pipeline.run(op.VERIFY, ALICE, unnamed, key_id)).key_version == 1
    await compromise(kernel, key_id, 1)
    assert not (await kernel.pipeline.run(op.VERIFY, ALICE, unnamed, key_id)).valid
    named = m.Verify(ECDSA, b"hello", signed.signature, 1)
    with pytest.raises(IllegalOperationError, match=r"^Cannot use version 1 in state Compromised$"):
        await kernel.pipeline.run(op.VERIFY, ALICE, named, key_id)


async def test_a_key_whose_current_version_is_compromised_protects_once_it_is_rotated(
    kernel: Kernel,
) -> None:
    key_id = await active_key(kernel)
    await compromise(kernel, key_id, 1)
    refused = [
        (op.ENCRYPT, m.Encrypt(Secret(b"x")), "encrypt with"),
        (op.WRAP, m.Wrap(Secret(bytes(32))), "wrap with"),
        (op.SIGN, m.Sign(ECDSA, b"x"), "sign with"),
    ]
    for declaration, request, phrase in refused:
        expected = f"^Cannot {phrase} version 1 in state Compromised; rotate the key first$"
        with pytest.raises(IllegalOperationError, match=expected):
            await kernel.pipeline.run(declaration, ALICE, request, key_id)
    key = await rotate(kernel, key_id)
    assert [v.state for v in key.versions] == [KeyState.COMPROMISED, KeyState.ACTIVE]
    await encrypt(kernel, key_id)


async def test_no_transition_brings_a_compromised_version_back(kernel: Kernel) -> None:
    key_id = await new_key(kernel)
    await compromise(kernel, key_id, 1)
    for declaration in (op.ACTIVATE, op.DEACTIVATE, op.DISABLE, op.ENABLE):
        answer = await kernel.pipeline.run(declaration, ALICE, m.Transition(), key_id)
        assert answer.key.versions[0].state is KeyState.COMPROMISED
    with pytest.raises(
        IllegalOperationError, match=r"^Cannot compromise version 1 in state"
    ) as refused:
        await compromise(kernel, key_id, 1)
    assert refused.value.reason == "version state=Compromised"


async def test_a_later_compromise_of_the_key_keeps_what_is_known_of_the_version(
    kernel: Kernel,
) -> None:
    key_id = await active_key(kernel)
    await rotate(kernel, key_id)
    await compromise(kernel, key_id, 1)
    request = m.Compromise("all of it")
    key = (await kernel.pipeline.run(op.COMPROMISE, ALICE, request, key_id)).key
    assert [version.reason for version in key.versions] == ["leaked", "all of it"]


async def test_the_compromise_of_a_version_is_critical_and_on_record(kernel: Kernel) -> None:
    key_id = await active_key(kernel)
    await compromise(kernel, key_id, 1)
    rows = [json.loads(record.body) for record in await kernel.providers.journal.ledger(0, 100)]
    assert rows[-1].items() >= {
        "op": "CompromiseVersion", "keyVersion": 1, "severity": "Critical", "reason": "leaked",
        "outcome": "Success",
    }.items()  # fmt: skip


@pytest.mark.parametrize("number", [0, 2, -1])
async def test_a_version_that_is_not_there_is_not_found(kernel: Kernel, number: int) -> None:
    with pytest.raises(NotFoundError):
        await compromise(kernel, await active_key(kernel), number)


async def test_an_update_changes_what_it_names_and_nothing_else(kernel: Kernel) -> None:
    key_id = await active_key(kernel)
    policy = RotationPolicy(period_days=90, notice_days=7)
    steps = [
        (m.Update(tags={"team": "a"}, description="d"), ({"team": "a"}, "d", None)),
        (m.Update(rotation_policy=policy), ({"team": "a"}, "d", policy)),
        (m.Update(), ({"team": "a"}, "d", policy)),
        (m.Update(tags={}), ({}, "d", policy)),
        (m.Update(description=None, rotation_policy=None), ({}, None, None)),
    ]
    for request, expected in steps:
        key = (await kernel.pipeline.run(op.UPDATE, ALICE, request, key_id)).key
        assert (key.tags, key.description, key.rotation_policy) == expected


@pytest.mark.parametrize(
    "policy",
    [RotationPolicy(), RotationPolicy(notice_days=1),
     RotationPolicy(after_operations=5, notice_days=1),
     RotationPolicy(period_days=7, notice_days=7)],
)  # fmt: skip
async def test_a_policy_that_makes_no_sense_is_refused(
    kernel: Kernel, policy: RotationPolicy
) -> None:
    request = m.Update(rotation_policy=policy)
    with pytest.raises(BadRequestError):
        await kernel.pipeline.run(op.UPDATE, ALICE, request, await active_key(kernel))
