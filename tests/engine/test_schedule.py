"""Destruction: scheduled, cancelled, and carried out by the sweep; never early."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aegis_kernel.domain.errors import BadRequestError, IllegalOperationError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import KeyState
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, KeySpec
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.testing.doubles import ManualClock
from tests.support.kernel import ALICE, settings

DAY = 86_400.0
SECRET = "3f1e8a-a-secret-of-more-than-32-bytes-0c7b"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def kernel(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Kernel]:
    strict = {"AEGIS_AUTH_KIND": "hmac", "AEGIS_AUTH_HMAC_SECRET": SECRET}
    async with Kernel(settings(tmp_path, **strict), clock) as running:
        yield running


async def scheduled_key(kernel: Kernel, days: int | None = 7) -> KeyId:
    spec = KeySpec(name="doomed", algorithm=Algorithm.AES, size_bits=256)
    created = await kernel.pipeline.run(op.CREATE, ALICE, m.CreateKey(spec=spec))
    key_id = created.key.id
    await kernel.pipeline.run(op.ACTIVATE, ALICE, m.Transition(), key_id)
    request = m.ScheduleDestruction(days)
    answer = await kernel.pipeline.run(op.SCHEDULE_DESTRUCTION, ALICE, request, key_id)
    assert answer.key.state is KeyState.DEACTIVATED
    return key_id


async def state(kernel: Kernel, key_id: KeyId) -> KeyState:
    return (await kernel.pipeline.run(op.GET, ALICE, m.GetKey(), key_id)).key.state


async def test_a_due_key_is_destroyed_at_the_second_sighting(
    kernel: Kernel, clock: ManualClock
) -> None:
    key_id = await scheduled_key(kernel)
    assert await kernel.sweep.once() == 0
    clock.advance(7 * DAY)
    assert await kernel.sweep.once() == 0
    clock.advance(29)
    assert await kernel.sweep.once() == 0
    clock.advance(1)
    assert await kernel.sweep.once() == 1
    assert await state(kernel, key_id) is KeyState.DESTROYED
    assert await kernel.providers.journal.material(key_id, 1) is None


async def test_a_clock_that_jumps_ahead_and_back_destroys_nothing(
    kernel: Kernel, clock: ManualClock
) -> None:
    key_id = await scheduled_key(kernel)
    clock.step(30 * DAY)
    assert await kernel.sweep.once() == 0
    clock.step(-30 * DAY)
    clock.advance(60)
    assert await kernel.sweep.once() == 0
    clock.step(30 * DAY)
    assert await kernel.sweep.once() == 0
    assert await state(kernel, key_id) is KeyState.DEACTIVATED


async def test_a_cancelled_destruction_does_not_happen(kernel: Kernel, clock: ManualClock) -> None:
    key_id = await scheduled_key(kernel)
    await kernel.pipeline.run(op.CANCEL_DESTRUCTION, ALICE, m.Transition(), key_id)
    clock.advance(8 * DAY)
    await kernel.sweep.once()
    clock.advance(60)
    assert await kernel.sweep.once() == 0
    assert await state(kernel, key_id) is KeyState.DEACTIVATED


async def test_a_scheduled_key_refuses_all_cryptography_and_a_second_delete(kernel: Kernel) -> None:
    key_id = await scheduled_key(kernel)
    with pytest.raises(IllegalOperationError):
        await kernel.pipeline.run(op.ENCRYPT, ALICE, m.Encrypt(Secret(b"x")), key_id)
    with pytest.raises(IllegalOperationError, match="scheduled for destruction"):
        await kernel.pipeline.run(op.DECRYPT, ALICE, m.Decrypt(b"x" * 200), key_id)
    request = m.ScheduleDestruction()
    with pytest.raises(IllegalOperationError, match="scheduled for destruction"):
        await kernel.pipeline.run(op.SCHEDULE_DESTRUCTION, ALICE, request, key_id)


@pytest.mark.parametrize("days", [-1, 0, 6, 366])
async def test_the_waiting_time_is_7_to_365_days(kernel: Kernel, days: int) -> None:
    with pytest.raises(BadRequestError, match="7 to 365"):
        await scheduled_key(kernel, days)


async def test_dev_mode_allows_no_waiting(tmp_path: Path, clock: ManualClock) -> None:
    async with Kernel(settings(tmp_path), clock) as kernel:
        key_id = await scheduled_key(kernel, 0)
        await kernel.sweep.once()
        clock.advance(30)
        assert await kernel.sweep.once() == 1
        assert await state(kernel, key_id) is KeyState.DESTROYED


async def test_the_destruction_is_on_record(kernel: Kernel, clock: ManualClock) -> None:
    key_id = await scheduled_key(kernel, None)
    clock.advance(31 * DAY)
    await kernel.sweep.once()
    clock.advance(30)
    await kernel.sweep.once()
    ledger = await kernel.providers.journal.ledger(0, 100)
    rows = [json.loads(record.body) for record in ledger]
    ops = [row["op"] for row in rows if row["keyId"] == key_id]
    assert ops == ["KeyCreated", "KeyActivated", "KeyDestructionScheduled", "KeyDestroyed"]
    assert (rows[-1]["actor"], rows[-1]["actorKind"]) == ("aegis", "Service")
