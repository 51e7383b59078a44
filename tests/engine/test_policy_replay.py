"""The ledger of the last days, decided again by other policies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aegis_kernel.domain.errors import AegisError, BootError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm
from aegis_kernel.engine import operations as op
from aegis_kernel.engine import policy_replay
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.policy_replay import Replayed, replay
from tests.support.kernel import ALICE, BOB, active_key, settings

OPEN = '@id("all") permit (principal, action, resource);\n'


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[Kernel]:
    file = tmp_path / "policies.cedar"
    file.write_text(OPEN + '@id("no-rotation") forbid (principal == Human::"bob", action == Action::"Rotate", resource);')  # fmt: skip
    chosen = settings(
        tmp_path / "data", AEGIS_AUTHZ_KIND="cedar", AEGIS_AUTHZ_CEDAR_POLICY_FILE=str(file)
    )
    async with Kernel(chosen) as running:
        yield running


async def replayed(
    kernel: Kernel, tmp_path: Path, text: str, *, since: datetime | None = None, **groups: str
) -> Replayed:
    candidate = tmp_path / "candidate.cedar"
    candidate.write_text(text)
    return await replay(
        kernel.providers.journal,
        kernel.providers.authorizer,
        path=candidate,
        since=since or datetime.fromtimestamp(0, UTC),
        groups={name: frozenset(each.split(",")) for name, each in groups.items()},
    )


async def use(kernel: Kernel, key_id: KeyId, times: int = 1, caller: Any = BOB) -> None:
    for _ in range(times):
        await kernel.pipeline.run(op.ENCRYPT, caller, m.Encrypt(Secret(b"hello")), key_id)


async def ledger_of(kernel: Kernel) -> KeyId:
    """Alice makes a key, bob uses it three times and may not rotate it twice."""
    key_id = await active_key(kernel, algorithm=Algorithm.AES, size_bits=256)
    await use(kernel, key_id, 3)
    for _ in range(2):
        with pytest.raises(AegisError):
            await kernel.pipeline.run(op.ROTATE, BOB, m.Rotate(), key_id)
    return key_id


async def test_the_policies_that_decided_would_decide_the_same(
    kernel: Kernel, tmp_path: Path
) -> None:
    await ledger_of(kernel)
    said = await replay(
        kernel.providers.journal,
        kernel.providers.authorizer,
        path=None,
        since=datetime.fromtimestamp(0, UTC),
        groups={},
    )
    assert (said.records, said.same, said.changes, said.unknown) == (7, 7, (), {})
    assert said.digest == kernel.policies.digest


async def test_what_would_differ_is_grouped_and_counted_both_ways(
    kernel: Kernel, tmp_path: Path
) -> None:
    key_id = await ledger_of(kernel)
    said = await replayed(
        kernel,
        tmp_path,
        OPEN + '@id("x") forbid (principal == Human::"bob", action in Action::"use", resource);',
    )
    assert [(c.change, c.principal, c.operation, c.key_id, c.reason, c.count) for c in said.changes] == [
        ("was allowed, would be denied", "Human:bob", "Encrypt", key_id, "forbidden by policy x", 3),
        ("was denied, would be allowed", "Human:bob", "Rotate", key_id, "permitted by policy all", 2),
    ]  # fmt: skip
    assert said.same == 2


async def test_what_the_ledger_does_not_hold_is_counted_as_unknown(
    kernel: Kernel, tmp_path: Path
) -> None:
    await ledger_of(kernel)
    admins = 'permit (principal in Group::"admins", action, resource);'
    said = await replayed(kernel, tmp_path, admins)
    assert (said.same, said.changes, said.unknown) == (0, (), {"groups": 7})
    said = await replayed(kernel, tmp_path, admins, alice="admins", bob="")
    assert (said.same, [c.count for c in said.changes], said.unknown) == (4, [3], {})
    tenant = OPEN + 'forbid (principal, action in Action::"use", resource) unless { context.encryptionContext.hasTag("t") };'  # fmt: skip
    said = await replayed(kernel, tmp_path, tenant)
    assert said.unknown == {"encryption context": 3}


async def test_a_key_is_taken_as_it_was_then(kernel: Kernel, tmp_path: Path) -> None:
    key_id = await active_key(kernel, algorithm=Algorithm.AES, size_bits=256)
    await use(kernel, key_id, 2)
    await _next_millisecond()
    await kernel.pipeline.run(op.UPDATE, ALICE, m.Update(tags={"env": "prod"}), key_id)
    await _next_millisecond()
    await use(kernel, key_id, 3)
    await kernel.pipeline.run(op.UPDATE, ALICE, m.Update(tags={}), key_id)
    said = await replayed(
        kernel, tmp_path, OPEN + 'forbid (principal, action in Action::"use", resource) when { resource.hasTag("env") };'
    )  # fmt: skip
    assert [change.count for change in said.changes] == [3]
    states = OPEN + 'forbid (principal, action == Action::"Activate", resource) unless { resource.state == State::"PreActive" };'  # fmt: skip
    assert (await replayed(kernel, tmp_path, states)).changes == ()


async def test_only_what_was_since_then_is_read_and_pages_make_no_difference(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_replay, "_PAGE_RECORDS", 2)
    monkeypatch.setattr(policy_replay, "_SLACK", timedelta(milliseconds=5))
    key_id = await active_key(kernel, algorithm=Algorithm.AES, size_bits=256)
    await use(kernel, key_id, 20)
    await _next_millisecond()
    since = datetime.now(UTC)
    await _next_millisecond()
    await use(kernel, key_id, 5)
    assert (await replayed(kernel, tmp_path, OPEN, since=since)).records == 5
    assert (await replayed(kernel, tmp_path, OPEN)).records == 27


async def test_the_changes_kept_are_bounded_and_the_rest_is_counted(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_replay, "MOST_CHANGES", 1)
    await ledger_of(kernel)
    said = await replayed(kernel, tmp_path, "forbid (principal, action, resource);")
    assert len(said.changes) == 1
    assert sum(change.count for change in said.changes) + said.left_out + said.same == 7


async def test_bad_policies_and_an_authorizer_without_any_are_said(
    kernel: Kernel, tmp_path: Path
) -> None:
    with pytest.raises(BootError, match=r"candidate\.cedar:1"):
        await replayed(kernel, tmp_path, "permit (")
    async with Kernel(settings(tmp_path / "basic")) as basic:
        with pytest.raises(BootError, match="has no policies"):
            await replayed(basic, tmp_path, OPEN)


async def _next_millisecond() -> None:
    await asyncio.sleep(0.01)
