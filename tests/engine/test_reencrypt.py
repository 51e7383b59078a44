"""Re-encryption: both keys are asked, both are fenced, and the plaintext goes nowhere."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from aegis_kernel.domain.alias import Alias
from aegis_kernel.domain.errors import (
    BadRequestError,
    DecryptionFailedError,
    IllegalOperationError,
    KeyNotFoundError,
    PermissionDeniedError,
)
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, KeySpec
from aegis_kernel.domain.usage import Usage
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.job import expects_of, joined
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations import messages_secrets as ms
from aegis_kernel.engine.operations.declaration import Caller
from tests.support.kernel import ALICE, BOB, active_key, last_record, settings

OLD, NEW = {"dataset": "q2"}, {"dataset": "archive"}
PLAINTEXT = b"q2 financial summary: $42M revenue"
NO_KEY = KeyId("8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9")
TRIALS = 100


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[Kernel]:
    async with Kernel(settings(tmp_path)) as running:
        yield running


async def aes(kernel: Kernel, size_bits: int = 256, usages: Any = None) -> KeyId:
    return await active_key(kernel, algorithm=Algorithm.AES, size_bits=size_bits, usages=usages)


async def bobs(kernel: Kernel) -> KeyId:
    spec = KeySpec(name="bob", algorithm=Algorithm.AES, size_bits=256)
    key_id = (await kernel.pipeline.run(op.CREATE, BOB, m.CreateKey(spec=spec))).key.id
    await kernel.pipeline.run(op.ACTIVATE, BOB, m.Transition(), key_id)
    return key_id


async def encrypted(kernel: Kernel, key_id: KeyId) -> bytes:
    request = m.Encrypt(Secret(PLAINTEXT), OLD)
    return (await kernel.pipeline.run(op.ENCRYPT, ALICE, request, key_id)).ciphertext


async def move(
    kernel: Kernel,
    ciphertext: bytes,
    source: KeyId,
    destination: KeyId | Alias,
    caller: Caller = ALICE,
    context: dict[str, str] | None = OLD,
) -> ms.ReEncrypted:
    request = ms.ReEncrypt(
        ciphertext=ciphertext,
        destination_key_id=destination,
        context=context,
        destination_context=NEW,
    )
    return await kernel.pipeline.run(op.REENCRYPT, caller, request, source)


async def opened(kernel: Kernel, moved: ms.ReEncrypted) -> bytes:
    request = m.Decrypt(moved.ciphertext, NEW)
    return (await kernel.pipeline.run(op.DECRYPT, ALICE, request, moved.key_id)).plaintext.reveal()


async def test_what_is_moved_opens_under_the_other_key_and_context_alone(kernel: Kernel) -> None:
    source, destination = await aes(kernel), await aes(kernel, 128)
    await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), destination)
    moved = await move(kernel, await encrypted(kernel, source), source, destination)
    assert (moved.key_id, moved.key_version, moved.algorithm) == (destination, 2, "AesGcm128")
    assert await opened(kernel, moved) == PLAINTEXT
    for key_id, context in ((destination, OLD), (destination, None), (source, NEW)):
        request = m.Decrypt(moved.ciphertext, context)
        with pytest.raises(DecryptionFailedError):
            await kernel.pipeline.run(op.DECRYPT, ALICE, request, key_id)


async def test_the_record_names_both_keys_and_no_context(kernel: Kernel) -> None:
    source, destination = await aes(kernel), await aes(kernel, 128)
    await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), destination)
    await move(kernel, await encrypted(kernel, source), source, destination)
    record = await last_record(kernel)
    assert (
        record.items()
        >= {
            "op": "ReEncrypt",
            "outcome": "Success",
            "keyId": source,
            "keyVersion": 1,
            "alg": "AesGcm256",
            "destinationKeyId": destination,
            "destinationKeyVersion": 2,
        }.items()
    )
    assert "archive" not in str(record)


async def test_a_wrapped_key_is_wrapped_anew(kernel: Kernel) -> None:
    source, destination = await aes(kernel), await aes(kernel)
    request = ms.GenerateDataKey(256, OLD)
    made = await kernel.pipeline.run(op.GENERATE_DATA_KEY, ALICE, request, source)
    moved = await move(kernel, made.wrapped, source, destination)
    assert moved.algorithm == "AesKeyWrap256"
    unwrap = m.Unwrap(moved.ciphertext, NEW)
    back = await kernel.pipeline.run(op.UNWRAP, ALICE, unwrap, destination)
    assert made.plaintext == back.plaintext
    with pytest.raises(DecryptionFailedError):
        await opened(kernel, moved)


async def test_a_key_may_be_its_own_destination(kernel: Kernel) -> None:
    key_id = await aes(kernel)
    ciphertext = await encrypted(kernel, key_id)
    await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id)
    moved = await move(kernel, ciphertext, key_id, key_id)
    assert (moved.key_id, moved.key_version) == (key_id, 2)
    assert await opened(kernel, moved) == PLAINTEXT


async def test_an_alias_names_a_destination(kernel: Kernel) -> None:
    source, destination = await aes(kernel), await aes(kernel)
    await kernel.pipeline.run(op.SET_ALIAS, ALICE, m.SetAlias("archive"), destination)
    ciphertext = await encrypted(kernel, source)
    assert (await move(kernel, ciphertext, source, Alias("archive"))).key_id == destination
    assert (await last_record(kernel))["destinationKeyId"] == destination
    await kernel.pipeline.run(op.SET_ALIAS, ALICE, m.SetAlias("archive"), source)
    assert (await move(kernel, ciphertext, source, Alias("archive"))).key_id == source


async def test_an_alias_of_the_source_itself_is_the_source(kernel: Kernel) -> None:
    source = await aes(kernel)
    await kernel.pipeline.run(op.SET_ALIAS, ALICE, m.SetAlias("self"), source)
    moved = await move(kernel, await encrypted(kernel, source), source, Alias("self"))
    assert moved.key_id == source


@pytest.mark.parametrize("harm", [lambda c: c[:-1], lambda c: c[:-1] + b"\0", lambda c: c[:20]])
async def test_what_is_damaged_is_not_moved(kernel: Kernel, harm: Any) -> None:
    source, destination = await aes(kernel), await aes(kernel)
    ciphertext = await encrypted(kernel, source)
    with pytest.raises(DecryptionFailedError):
        await move(kernel, harm(ciphertext), source, destination)
    with pytest.raises(DecryptionFailedError):
        await move(kernel, ciphertext, destination, source)
    with pytest.raises(DecryptionFailedError):
        await move(kernel, ciphertext, source, destination, context=NEW)


async def test_both_keys_must_be_permitted(kernel: Kernel) -> None:
    hers, his = await aes(kernel), await bobs(kernel)
    ciphertext = await encrypted(kernel, hers)
    for source, destination in ((hers, his), (his, hers)):
        with pytest.raises(PermissionDeniedError):
            await move(kernel, ciphertext, source, destination, BOB)
        record = await last_record(kernel)
        assert (record["outcome"], record["keyId"]) == ("PermissionDenied", source)
        assert record["destinationKeyId"] == destination
    request = m.Encrypt(Secret(PLAINTEXT), OLD)
    own = (await kernel.pipeline.run(op.ENCRYPT, BOB, request, his)).ciphertext
    assert (await move(kernel, own, his, his, BOB)).key_id == his


async def test_both_keys_must_exist(kernel: Kernel) -> None:
    key_id = await aes(kernel)
    ciphertext = await encrypted(kernel, key_id)
    for source, destination in ((key_id, NO_KEY), (NO_KEY, key_id)):
        with pytest.raises(KeyNotFoundError, match=NO_KEY):
            await move(kernel, ciphertext, source, destination)
    assert (await last_record(kernel))["outcome"] == "KeyNotFound"


SOURCE_MAY = {op.DEACTIVATE: True, op.DISABLE: False, op.COMPROMISE: False}


@pytest.mark.parametrize("transition", SOURCE_MAY, ids=lambda each: each.name)
async def test_the_law_is_asked_of_both(kernel: Kernel, transition: Any) -> None:
    source, destination = await aes(kernel), await aes(kernel)
    ciphertexts = {source: await encrypted(kernel, source)}
    ciphertexts[destination] = await encrypted(kernel, destination)
    reason = m.Compromise("leaked") if transition is op.COMPROMISE else m.Transition()
    await kernel.pipeline.run(transition, ALICE, reason, source)
    if SOURCE_MAY[transition]:
        await move(kernel, ciphertexts[source], source, destination)
    else:
        with pytest.raises(IllegalOperationError, match="Cannot re-encrypt from "):
            await move(kernel, ciphertexts[source], source, destination)
    with pytest.raises(IllegalOperationError, match="Cannot re-encrypt to "):
        await move(kernel, ciphertexts[destination], destination, source)
    record = await last_record(kernel)
    assert (record["outcome"], record["destinationKeyId"]) == ("IllegalOperation", source)


async def test_usages_are_asked_of_both(kernel: Kernel) -> None:
    free = await aes(kernel)
    bound = await aes(kernel, usages=frozenset({Usage.ENCRYPT, Usage.DECRYPT}))
    ciphertexts = {free: await encrypted(kernel, free), bound: await encrypted(kernel, bound)}
    for source, destination in ((free, bound), (bound, free)):
        with pytest.raises(IllegalOperationError, match="leave out reEncrypt"):
            await move(kernel, ciphertexts[source], source, destination)


async def test_a_destination_that_cannot_encrypt_is_a_bad_request(kernel: Kernel) -> None:
    source = await aes(kernel)
    hmac = await active_key(kernel, algorithm=Algorithm.HMAC, size_bits=256)
    with pytest.raises(BadRequestError):
        await move(kernel, await encrypted(kernel, source), source, hmac)


@pytest.mark.parametrize("which", ["source", "destination"])
async def test_a_stale_view_of_either_key_is_caught(kernel: Kernel, which: str) -> None:
    keys = {"source": await aes(kernel), "destination": await aes(kernel)}
    ciphertext = await encrypted(kernel, keys["source"])
    await move(kernel, ciphertext, keys["source"], keys["destination"])
    streams = kernel.pipeline._streams
    stale = await streams.view(keys[which])
    await kernel.pipeline.run(op.COMPROMISE, ALICE, m.Compromise("leaked"), keys[which])
    streams.put(stale)
    with pytest.raises(IllegalOperationError, match="in state Compromised"):
        await move(kernel, ciphertext, keys["source"], keys["destination"])


async def test_a_stale_view_of_the_one_key_that_is_both_is_caught(kernel: Kernel) -> None:
    key_id = await aes(kernel)
    await kernel.pipeline.run(op.SET_ALIAS, ALICE, m.SetAlias("self"), key_id)
    ciphertext = await encrypted(kernel, key_id)
    for destination in (key_id, Alias("self")):
        await move(kernel, ciphertext, key_id, destination)
    streams = kernel.pipeline._streams
    stale = await streams.view(key_id)
    await kernel.pipeline.run(op.COMPROMISE, ALICE, m.Compromise("leaked"), key_id)
    for destination in (key_id, Alias("self")):
        streams.put(stale)
        with pytest.raises(IllegalOperationError, match="in state Compromised"):
            await move(kernel, ciphertext, key_id, destination)


async def race(kernel: Kernel, dice: random.Random, harms_the_source: bool) -> int:
    """Compromise one of the keys amid uses; return how many uses were released."""
    source, destination = await aes(kernel), await aes(kernel)
    ciphertext = await encrypted(kernel, source)
    acknowledged = False

    async def use() -> int:
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
        late = acknowledged
        try:
            await move(kernel, ciphertext, source, destination)
        except IllegalOperationError:
            return 0
        assert not late
        return 1

    async def compromise() -> int:
        nonlocal acknowledged
        for _ in range(dice.randrange(6)):
            await asyncio.sleep(0)
        harmed = source if harms_the_source else destination
        await kernel.pipeline.run(op.COMPROMISE, ALICE, m.Compromise("leaked"), harmed)
        acknowledged = True
        return 0

    released = await asyncio.gather(*(use() for _ in range(6)), compromise())
    with pytest.raises(IllegalOperationError):
        await move(kernel, ciphertext, source, destination)
    return sum(released)


async def test_nothing_is_released_after_the_compromise_of_either_key(kernel: Kernel) -> None:
    dice = random.Random(11)
    released = sum([await race(kernel, dice, trial % 2 == 0) for trial in range(TRIALS)])
    assert 0 < released < TRIALS * 6


async def test_two_views_of_one_key_are_judged_and_fenced_as_one(kernel: Kernel) -> None:
    key_id = await aes(kernel)
    streams = kernel.pipeline._streams
    stale = await streams.view(key_id)
    await kernel.pipeline.run(op.COMPROMISE, ALICE, m.Compromise("leaked"), key_id)
    newest = await streams.view(key_id)
    for first, second in ((newest, stale), (stale, newest)):
        through = replace(second, through=("alias/self", 1))
        both = joined(first, through)
        assert both.further is not None
        assert both.further.key is first.key
        assert expects_of(both) == {first.stream: first.sequence, "alias/self": 1}
