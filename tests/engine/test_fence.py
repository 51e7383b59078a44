"""The release fence: no decision made on a stale view is ever released."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aegis_kernel.domain.errors import AegisError, IllegalOperationError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import KeyState
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, KeySpec
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.streams import View
from aegis_kernel.spi.journal import Committed
from tests.support.kernel import ALICE, settings
from tests.support.server import UNLIMITED

SIGNS_PER_TRIAL = 8
SECRET = "3f1e8a-a-secret-of-more-than-32-bytes-0c7b"


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[Kernel]:
    async with Kernel(settings(tmp_path)) as running:
        yield running


async def active_key(kernel: Kernel, algorithm: Algorithm = Algorithm.HMAC) -> KeyId:
    spec = KeySpec(name="fence", algorithm=algorithm, size_bits=256)
    created = await kernel.pipeline.run(op.CREATE, ALICE, m.CreateKey(spec=spec))
    await kernel.pipeline.run(op.ACTIVATE, ALICE, m.Transition(), created.key.id)
    return created.key.id


async def encrypt(kernel: Kernel, key_id: KeyId) -> m.Encrypted:
    request = m.Encrypt(Secret(b"hello"))
    return await kernel.pipeline.run(op.ENCRYPT, ALICE, request, key_id)


async def race(kernel: Kernel, key_id: KeyId, dice: random.Random) -> tuple[int, int]:
    """Compromise amid uses; return how many uses were released in all, and after the answer."""
    acknowledged = False
    late = released = 0

    async def use() -> None:
        nonlocal late, released
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
        began_after = acknowledged
        try:
            await encrypt(kernel, key_id)
        except IllegalOperationError:
            return
        released += 1
        late += began_after

    async def compromise() -> None:
        nonlocal acknowledged
        for _ in range(dice.randrange(6)):
            await asyncio.sleep(0)
        await kernel.pipeline.run(op.COMPROMISE, ALICE, m.Compromise("leaked"), key_id)
        acknowledged = True

    uses = [use() for _ in range(SIGNS_PER_TRIAL)]
    await asyncio.gather(*uses, compromise())
    with pytest.raises(IllegalOperationError):
        await encrypt(kernel, key_id)
    return released, late


async def ledger_after(kernel: Kernel, after: int) -> list[tuple[str, str]]:
    page = await kernel.providers.journal.ledger(after, 1000)
    rows = [json.loads(record.body) for record in page]
    return [(row["op"], row["outcome"]) for row in rows]


@pytest.mark.parametrize(("journal", "trials"), [("memory", 2000), ("sqlite", 500)])
async def test_no_use_is_released_after_its_compromise(
    journal: str, trials: int, tmp_path: Path
) -> None:
    dice = random.Random(7)
    chosen = settings(
        tmp_path,
        AEGIS_JOURNAL_KIND=journal,
        AEGIS_AUTH_KIND="hmac",
        AEGIS_AUTH_HMAC_SECRET=SECRET,
        **UNLIMITED,
    )
    async with Kernel(chosen) as kernel:
        uses = 0
        for _ in range(trials):
            key_id = await active_key(kernel, Algorithm.AES)
            before = await kernel.providers.journal.head()
            released, late = await race(kernel, key_id, dice)
            assert late == 0
            uses += released
            rows = await ledger_after(kernel, before)
            at = rows.index(("Compromise", "Success"))
            assert ("Encrypt", "Success") not in rows[at:]
            assert rows[:at].count(("Encrypt", "Success")) == released
    assert 0 < uses < trials * SIGNS_PER_TRIAL


async def plant_stale_view(kernel: Kernel, key_id: KeyId) -> None:
    """Leave in the cache what another worker would still believe after a compromise here."""
    streams = kernel.pipeline._streams
    stale = await streams.view(key_id)
    await kernel.pipeline.run(op.COMPROMISE, ALICE, m.Compromise("leaked"), key_id)
    streams.put(View(stale.stream, stale.sequence, stale.key))


async def test_a_planted_stale_view_is_caught(kernel: Kernel) -> None:
    key_id = await active_key(kernel, Algorithm.AES)
    await plant_stale_view(kernel, key_id)
    with pytest.raises(IllegalOperationError, match="in state Compromised"):
        await encrypt(kernel, key_id)


async def test_the_trial_can_fail_without_the_fence(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_id = await active_key(kernel, Algorithm.AES)
    await plant_stale_view(kernel, key_id)

    async def unfenced(entry: object) -> Committed:
        return Committed()

    monkeypatch.setattr(kernel.pipeline._committer, "commit", unfenced)
    assert (await encrypt(kernel, key_id)).key_version == 1


async def test_a_stale_refusal_is_not_released_either(kernel: Kernel) -> None:
    key_id = await active_key(kernel, Algorithm.AES)
    streams = kernel.pipeline._streams
    await kernel.pipeline.run(op.DISABLE, ALICE, m.Transition(), key_id)
    disabled = await streams.view(key_id)
    await kernel.pipeline.run(op.ENABLE, ALICE, m.Transition(), key_id)
    streams.put(disabled)
    assert (await encrypt(kernel, key_id)).key_version == 1


async def test_reads_ask_the_store(kernel: Kernel) -> None:
    key_id = await active_key(kernel, Algorithm.AES)
    await plant_stale_view(kernel, key_id)
    answer = await kernel.pipeline.run(op.GET, ALICE, m.GetKey(), key_id)
    assert answer.key.state is KeyState.COMPROMISED


async def test_concurrent_rotations_all_happen_once(kernel: Kernel) -> None:
    key_id = await active_key(kernel, Algorithm.AES)
    outcomes = await asyncio.gather(
        *(kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id) for _ in range(6)),
        return_exceptions=True,
    )
    versions = [o.key.current_version for o in outcomes if isinstance(o, m.KeyAnswer)]
    assert sorted(versions) == list(range(2, 2 + len(versions)))
    assert all(isinstance(o, m.KeyAnswer | AegisError) for o in outcomes)
    assert len(versions) == 6
