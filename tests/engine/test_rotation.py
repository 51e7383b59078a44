"""Rotation policies: by period and by use, announced once, never early, by nobody but the kernel."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aegis_kernel.domain.key import Key, KeyId
from aegis_kernel.domain.rotation import RotationPolicy
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, KeySpec
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations.messages_import import ImportKey
from aegis_kernel.spi.imports import PlainImport
from aegis_kernel.testing.doubles import ManualClock
from tests.support.kernel import ALICE, settings

DAY = 86_400.0
WEEKLY = RotationPolicy(period_days=7)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def kernel(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Kernel]:
    async with Kernel(settings(tmp_path), clock) as running:
        yield running


async def active_key(kernel: Kernel, policy: RotationPolicy = WEEKLY) -> KeyId:
    spec = KeySpec(name="rotating", algorithm=Algorithm.AES, size_bits=256)
    key_id = (await kernel.pipeline.run(op.CREATE, ALICE, m.CreateKey(spec=spec))).key.id
    await kernel.pipeline.run(op.ACTIVATE, ALICE, m.Transition(), key_id)
    await update(kernel, key_id, policy)
    return key_id


async def update(kernel: Kernel, key_id: KeyId, policy: RotationPolicy | None) -> None:
    await kernel.pipeline.run(op.UPDATE, ALICE, m.Update(rotation_policy=policy), key_id)


async def look_twice(kernel: Kernel, clock: ManualClock) -> int:
    """Sight what is due, and 30 s later act on it; return how many keys were rotated."""
    first = await kernel.rotation.once()
    clock.advance(30)
    return first + await kernel.rotation.once()


async def read(kernel: Kernel, key_id: KeyId) -> Key:
    return (await kernel.pipeline.run(op.GET, ALICE, m.GetKey(), key_id)).key


async def records(kernel: Kernel, key_id: KeyId) -> list[Any]:
    rows = [json.loads(record.body) for record in await kernel.providers.journal.ledger(0, 100)]
    return [row for row in rows if row.get("keyId") == key_id]


async def encrypt(kernel: Kernel, key_id: KeyId, times: int) -> None:
    for _ in range(times):
        await kernel.pipeline.run(op.ENCRYPT, ALICE, m.Encrypt(Secret(b"x")), key_id)


async def test_a_key_is_rotated_when_its_period_ends_and_not_before(
    kernel: Kernel, clock: ManualClock
) -> None:
    key_id = await active_key(kernel)
    clock.advance(7 * DAY - 31)
    assert await look_twice(kernel, clock) == 0
    clock.advance(1)
    assert await kernel.rotation.once() == 0
    assert (await read(kernel, key_id)).current_version == 1
    clock.advance(30)
    assert await kernel.rotation.once() == 1
    assert (await read(kernel, key_id)).current_version == 2
    assert await look_twice(kernel, clock) == 0


async def test_after_years_away_a_key_is_rotated_once(kernel: Kernel, clock: ManualClock) -> None:
    key_id = await active_key(kernel)
    clock.advance(1000 * DAY)
    assert await look_twice(kernel, clock) == 1
    assert await look_twice(kernel, clock) == 0
    assert (await read(kernel, key_id)).current_version == 2


async def test_the_period_begins_anew_with_each_rotation_by_hand(
    kernel: Kernel, clock: ManualClock
) -> None:
    key_id = await active_key(kernel)
    clock.advance(6 * DAY)
    await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id)
    clock.advance(6 * DAY)
    assert await look_twice(kernel, clock) == 0
    clock.advance(DAY)
    assert await look_twice(kernel, clock) == 1


async def test_the_period_begins_with_activation(kernel: Kernel, clock: ManualClock) -> None:
    spec = KeySpec(name="late", algorithm=Algorithm.AES, size_bits=256)
    key_id = (await kernel.pipeline.run(op.CREATE, ALICE, m.CreateKey(spec=spec))).key.id
    await update(kernel, key_id, WEEKLY)
    clock.advance(30 * DAY)
    assert await look_twice(kernel, clock) == 0
    await kernel.pipeline.run(op.ACTIVATE, ALICE, m.Transition(), key_id)
    clock.advance(6 * DAY)
    assert await look_twice(kernel, clock) == 0
    clock.advance(DAY)
    assert await look_twice(kernel, clock) == 1


async def test_a_clock_that_jumps_ahead_and_back_rotates_nothing(
    kernel: Kernel, clock: ManualClock
) -> None:
    key_id = await active_key(kernel)
    clock.step(30 * DAY)
    assert await kernel.rotation.once() == 0
    clock.step(-30 * DAY)
    clock.advance(60)
    assert await kernel.rotation.once() == 0
    clock.step(30 * DAY)
    assert await kernel.rotation.once() == 0
    assert (await read(kernel, key_id)).current_version == 1


@pytest.mark.parametrize(
    ("declaration", "request_"),
    [(op.DISABLE, m.Transition()), (op.DEACTIVATE, m.Transition()),
     (op.COMPROMISE, m.Compromise("x")), (op.SCHEDULE_DESTRUCTION, m.ScheduleDestruction(30)),
     (op.UPDATE, m.Update(rotation_policy=None))],
    ids=["disabled", "deactivated", "compromised", "scheduled", "no policy"],
)  # fmt: skip
async def test_a_key_that_may_not_rotate_is_left_alone_and_not_on_record(
    kernel: Kernel, clock: ManualClock, declaration: Any, request_: Any
) -> None:
    key_id = await active_key(kernel, RotationPolicy(period_days=7, notice_days=1))
    await kernel.pipeline.run(declaration, ALICE, request_, key_id)
    before = len(await records(kernel, key_id))
    clock.advance(8 * DAY)
    assert await look_twice(kernel, clock) == 0
    assert len(await records(kernel, key_id)) == before


async def test_a_policy_waits_while_the_current_version_is_imported(
    kernel: Kernel, clock: ManualClock
) -> None:
    key_id = await active_key(kernel, RotationPolicy(period_days=7, notice_days=1))
    imported = ImportKey(PlainImport(Secret(bytes(32))))
    await kernel.pipeline.run(op.IMPORT, ALICE, imported, key_id)
    clock.advance(30 * DAY)
    assert await look_twice(kernel, clock) == 0
    await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id)
    clock.advance(7 * DAY)
    assert await look_twice(kernel, clock) == 1


async def test_an_enabled_key_catches_up(kernel: Kernel, clock: ManualClock) -> None:
    key_id = await active_key(kernel)
    await kernel.pipeline.run(op.DISABLE, ALICE, m.Transition(), key_id)
    clock.advance(8 * DAY)
    await kernel.pipeline.run(op.ENABLE, ALICE, m.Transition(), key_id)
    assert await look_twice(kernel, clock) == 1


async def test_a_rotation_is_announced_once_and_anew_for_the_next_version(
    kernel: Kernel, clock: ManualClock
) -> None:
    key_id = await active_key(kernel, RotationPolicy(period_days=7, notice_days=2))
    due = [row["ts"] for row in await records(kernel, key_id) if row["op"] == "RotationDue"]
    assert due == []
    clock.advance(5 * DAY - 31)
    await look_twice(kernel, clock)
    assert [row["op"] for row in await records(kernel, key_id)][-1] == "KeyUpdated"
    clock.advance(1)
    for _ in range(3):
        await look_twice(kernel, clock)
    row = (await records(kernel, key_id))[-1]
    assert (row["op"], row["actor"], row["keyVersion"]) == ("RotationDue", "aegis", 1)
    assert row["reason"].startswith("rotation is due at 20")
    assert sum(r["op"] == "RotationDue" for r in await records(kernel, key_id)) == 1
    clock.advance(2 * DAY)
    assert await look_twice(kernel, clock) == 1
    clock.advance(5 * DAY)
    await look_twice(kernel, clock)
    announced = [r["keyVersion"] for r in await records(kernel, key_id) if r["op"] == "RotationDue"]
    assert announced == [1, 2]


async def test_a_scheduled_rotation_is_the_kernels_and_on_record(
    kernel: Kernel, clock: ManualClock
) -> None:
    key_id = await active_key(kernel)
    clock.advance(7 * DAY)
    await look_twice(kernel, clock)
    row = (await records(kernel, key_id))[-1]
    assert (row["op"], row["actor"], row["actorKind"]) == ("Rotate", "aegis", "Service")
    assert (row["previousVersion"], row["currentVersion"]) == (1, 2)
    assert row["reason"] == "rotation policy: the period has ended"


async def test_a_version_that_is_used_up_is_rotated_when_the_counts_are_written(
    kernel: Kernel,
) -> None:
    key_id = await active_key(kernel, RotationPolicy(after_operations=5))
    await encrypt(kernel, key_id, 4)
    await kernel.usage.flush()
    assert (await read(kernel, key_id)).current_version == 1
    await encrypt(kernel, key_id, 1)
    await kernel.usage.flush()
    assert (await read(kernel, key_id)).current_version == 2
    row = (await records(kernel, key_id))[-1]
    assert row["reason"] == "rotation policy: the version is used up"
    await encrypt(kernel, key_id, 4)
    await kernel.usage.flush()
    assert (await read(kernel, key_id)).current_version == 2


async def test_a_destruction_that_is_due_does_not_rotate_and_a_rotation_does_not_destroy(
    kernel: Kernel, clock: ManualClock
) -> None:
    rotating, doomed = await active_key(kernel), await active_key(kernel)
    request = m.ScheduleDestruction(7)
    await kernel.pipeline.run(op.SCHEDULE_DESTRUCTION, ALICE, request, doomed)
    clock.advance(8 * DAY)
    assert (await kernel.sweep.once(), await kernel.rotation.once()) == (0, 0)
    clock.advance(30)
    assert (await kernel.sweep.once(), await kernel.rotation.once()) == (1, 1)
    assert (await read(kernel, rotating)).destroyed_at is None
    # Not even tried and refused.
    assert "KeyDestroyed" not in [row["op"] for row in await records(kernel, rotating)]
    assert (await read(kernel, doomed)).destroyed_at is not None
