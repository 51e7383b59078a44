"""Usage is counted from what was released, written at intervals, and moves no key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aegis_kernel.domain.errors import DecryptionFailedError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, KeySpec, SignatureAlgorithm
from aegis_kernel.engine import operations as op
from aegis_kernel.engine import usage
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations.batch import Batch, in_batch
from aegis_kernel.engine.operations.messages_secrets import ReEncrypt
from aegis_kernel.engine.usage import UsageCounter
from aegis_kernel.testing.doubles import ManualClock
from tests.support.kernel import ALICE, settings


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def kernel(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Kernel]:
    async with Kernel(settings(tmp_path), clock) as running:
        yield running


async def active_key(kernel: Kernel) -> KeyId:
    spec = KeySpec(name="used", algorithm=Algorithm.AES, size_bits=256)
    key_id = (await kernel.pipeline.run(op.CREATE, ALICE, m.CreateKey(spec=spec))).key.id
    await kernel.pipeline.run(op.ACTIVATE, ALICE, m.Transition(), key_id)
    return key_id


async def encrypt(kernel: Kernel, key_id: KeyId) -> bytes:
    request = m.Encrypt(Secret(b"x"))
    return (await kernel.pipeline.run(op.ENCRYPT, ALICE, request, key_id)).ciphertext


async def decrypt(kernel: Kernel, key_id: KeyId, ciphertext: bytes) -> None:
    await kernel.pipeline.run(op.DECRYPT, ALICE, m.Decrypt(ciphertext), key_id)


async def read(kernel: Kernel, key_id: KeyId) -> m.KeyAnswer:
    return await kernel.pipeline.run(op.GET, ALICE, m.GetKey(), key_id)


async def counted(kernel: Kernel, key_id: KeyId) -> tuple[int, int] | None:
    found = (await read(kernel, key_id)).details.usage
    return found and (found.protect, found.process)


async def events(kernel: Kernel, key_id: KeyId) -> int:
    return len(await kernel.providers.journal.history(f"usage/{key_id}"))


async def test_a_key_that_was_never_used_has_no_usage(kernel: Kernel) -> None:
    key_id = await active_key(kernel)
    await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id)
    assert await counted(kernel, key_id) is None


async def test_what_is_released_is_counted_before_and_after_it_is_written(
    kernel: Kernel, clock: ManualClock
) -> None:
    key_id = await active_key(kernel)
    ciphertext = await encrypt(kernel, key_id)
    await encrypt(kernel, key_id)
    clock.advance(5)
    await decrypt(kernel, key_id, ciphertext)
    last = datetime.fromtimestamp(clock.time(), UTC)
    for _ in range(2):
        assert await counted(kernel, key_id) == (2, 1)
        assert (await read(kernel, key_id)).details.usage == m.Usage(2, 1, last)
        clock.advance(60)
        await kernel.usage.flush()
    await encrypt(kernel, key_id)
    assert await counted(kernel, key_id) == (3, 1)


async def test_what_was_refused_or_proved_nothing_is_not_counted(kernel: Kernel) -> None:
    key_id = await active_key(kernel)
    with pytest.raises(DecryptionFailedError):
        await decrypt(kernel, key_id, b"x" * 200)
    request = m.Verify(SignatureAlgorithm.ECDSA_SHA256, b"hello", b"no signature")
    await kernel.pipeline.run(op.VERIFY, ALICE, request, key_id)
    assert await counted(kernel, key_id) is None


async def test_an_interval_writes_one_event_for_each_used_key_and_moves_no_key(
    kernel: Kernel,
) -> None:
    keys = [await active_key(kernel) for _ in range(3)]
    for _ in range(10):
        await asyncio.gather(*(encrypt(kernel, key_id) for key_id in keys[:2]))
    await kernel.usage.flush()
    await kernel.usage.flush()
    assert [await events(kernel, key_id) for key_id in keys] == [1, 1, 0]
    assert [(await read(kernel, key_id)).sequence for key_id in keys] == [2, 2, 2]


async def test_two_workers_add_up(kernel: Kernel, clock: ManualClock) -> None:
    key_id = await active_key(kernel)
    journal, committer = kernel.providers.journal, kernel.pipeline._committer
    workers = [UsageCounter(journal, committer, clock, 60) for _ in range(2)]
    for _ in range(3):
        for worker in workers:
            worker.count(Operation.ENCRYPT, key_id, 1)
            worker.count(Operation.DECRYPT, key_id, 2, times=10)
        await asyncio.gather(*(worker.flush() for worker in workers))
    for worker in workers:
        await worker.flush()
    assert await counted(kernel, key_id) == (6, 60)
    assert await kernel.usage.protections(key_id, 1) == 6
    assert await kernel.usage.protections(key_id, 2) == 0


async def test_what_the_journal_does_not_take_is_kept_for_the_next_time(kernel: Kernel) -> None:
    key_id = await active_key(kernel)
    await encrypt(kernel, key_id)
    committer = kernel.pipeline._committer
    committer.closed_because = "a sink is behind"
    await kernel.usage.flush()
    committer.closed_because = None
    assert await events(kernel, key_id) == 0
    assert await counted(kernel, key_id) == (1, 0)
    await kernel.usage.flush()
    assert await events(kernel, key_id) == 1


async def test_an_orderly_end_loses_nothing(tmp_path: Path) -> None:
    chosen = settings(tmp_path, AEGIS_JOURNAL_KIND="sqlite")
    async with Kernel(chosen) as kernel:
        key_id = await active_key(kernel)
        await encrypt(kernel, key_id)
    async with Kernel(chosen) as kernel:
        assert await counted(kernel, key_id) == (1, 0)


async def test_memory_is_bounded(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "MAX_KEYS", 2)
    keys = [await active_key(kernel) for _ in range(3)]
    for key_id in keys * 2:
        await encrypt(kernel, key_id)
    assert [await counted(kernel, key_id) for key_id in keys] == [(2, 0), (2, 0), None]


async def test_each_item_of_a_batch_is_counted(kernel: Kernel) -> None:
    key_id = await active_key(kernel)
    first = await encrypt(kernel, key_id)
    await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id)
    batch = Batch((m.Encrypt(Secret(b"x")),) * 5)
    answer = await kernel.pipeline.run(in_batch(op.ENCRYPT), ALICE, batch, key_id)
    assert await kernel.usage.protections(key_id, 2) == 5
    both = Batch((m.Decrypt(first), m.Decrypt(answer.items[0].ciphertext), m.Decrypt(b"x" * 200)))
    await kernel.pipeline.run(in_batch(op.DECRYPT), ALICE, both, key_id)
    assert await counted(kernel, key_id) == (6, 2)


async def test_reencryption_processes_with_one_key_and_protects_with_the_other(
    kernel: Kernel,
) -> None:
    source, destination = await active_key(kernel), await active_key(kernel)
    ciphertext = await encrypt(kernel, source)
    request = ReEncrypt(ciphertext=ciphertext, destination_key_id=destination)
    await kernel.pipeline.run(op.REENCRYPT, ALICE, request, source)
    assert await counted(kernel, source) == (1, 1)
    assert await counted(kernel, destination) == (1, 0)
