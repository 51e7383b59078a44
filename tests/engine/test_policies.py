"""The policy stream: no decision by superseded policies is ever released, and none comes back unasked."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from aegis_kernel.domain.errors import PermissionDeniedError, UnavailableError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.job import Job
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.policies import STREAM
from aegis_kernel.engine.verification import Verification
from aegis_kernel.spi.journal import Journal
from aegis_kernel.spi.provider import Status
from tests.support.kernel import BOB, active_key, last_record, settings

OPEN = '@id("all") permit (principal, action, resource);\n'
CLOSED = OPEN + '@id("not-bob") forbid (principal == Human::"bob", action, resource);\n'
WRONG = "permit (principal, action, resource) when { resource.ownr };"


class Shared:
    """A journal as another process sees it too."""

    shared = True

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def aclose(self) -> None:
        """Another may still have it open."""


def cedar(directory: Path, text: str, name: str = "policies") -> Kernel:
    file = directory / f"{name}.cedar"
    file.write_text(text)
    return Kernel(
        settings(
            directory / name, AEGIS_AUTHZ_KIND="cedar", AEGIS_AUTHZ_CEDAR_POLICY_FILE=str(file)
        )
    )


def on(journal: Any, kernel: Kernel) -> Kernel:
    """Return the kernel on that journal, and with the roots of trust of the kernel it came from."""
    first: Kernel = journal.first
    providers = replace(
        kernel.providers,
        journal=journal,
        roots=first.providers.roots,
        components=tuple(
            each for each in kernel.providers.components if each.port in ("authorizer",)
        ),
    )
    kernel.providers = providers
    kernel._compose(providers)
    return kernel


@asynccontextmanager
async def a_journal(directory: Path) -> AsyncIterator[Any]:
    """A journal that several kernels can be put on."""
    async with Kernel(settings(directory / "first")) as first:
        journal = Shared(first.providers.journal)
        journal.first = first  # type: ignore[attr-defined]
        yield journal


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Any]:
    async with a_journal(tmp_path) as shared:
        yield shared


async def encrypt(kernel: Kernel, key_id: KeyId) -> m.Encrypted:
    return await kernel.pipeline.run(op.ENCRYPT, BOB, m.Encrypt(Secret(b"hello")), key_id)


async def settle(kernel: Kernel) -> None:
    """Look as often as it takes until a file that was changed counts as at rest."""
    await kernel.policies.look()
    await kernel.policies.look()


async def ledger(journal: Any) -> list[dict[str, Any]]:
    return [json.loads(record.body) for record in await journal.ledger(0, 1000)]


async def test_a_boot_activates_its_policies_once_and_says_so(journal: Any, tmp_path: Path) -> None:
    async with on(journal, cedar(tmp_path, OPEN)) as kernel:
        record = await last_record(kernel)
        assert record["op"] == "PolicyActivated"
        assert (record["actor"], record["actorKind"]) == ("aegis", "Service")
        assert record["reason"] == kernel.policies.digest
        assert record["reason"].startswith("cedar:")
        assert kernel.is_ready
        head = await journal.head()
    async with on(journal, cedar(tmp_path, OPEN)) as again:
        assert again.is_ready
        assert await journal.head() == head


async def test_without_policies_a_request_expects_nothing_more_and_makes_no_object(
    tmp_path: Path,
) -> None:
    async with Kernel(settings(tmp_path)) as kernel:
        job = Job(op.ENCRYPT, BOB, None, None, "id")
        assert await kernel.pipeline._authority.stand(job) is job
        assert await kernel.providers.journal.load(STREAM) is None


async def test_superseded_policies_do_not_come_back_unasked(journal: Any, tmp_path: Path) -> None:
    async with on(journal, cedar(tmp_path, OPEN)) as kernel:
        key_id = await active_key(kernel, algorithm=Algorithm.AES, size_bits=256)
    async with on(journal, cedar(tmp_path, CLOSED)):
        pass
    async with on(journal, cedar(tmp_path, OPEN)) as kernel:
        assert not kernel.is_ready
        report = await kernel.health()
        assert report.status is Status.UNAVAILABLE
        assert "aegis-server policy activate" in str(report)
        with pytest.raises(UnavailableError, match="not the active ones"):
            await encrypt(kernel, key_id)
        activated = await kernel.policies.activate("uid 7")
        assert activated.before != activated.digest == kernel.policies.digest
        assert (await last_record(kernel))["reason"] == f"{activated.digest}; asked by uid 7"
        assert (await kernel.policies.check()).status is Status.OK
    async with on(journal, cedar(tmp_path, OPEN)) as kernel:
        assert kernel.is_ready


async def test_a_server_without_policies_takes_over_only_when_asked(
    journal: Any, tmp_path: Path
) -> None:
    async with on(journal, cedar(tmp_path, CLOSED)):
        pass
    async with on(journal, Kernel(settings(tmp_path / "basic"))) as kernel:
        assert not kernel.is_ready
        with pytest.raises(UnavailableError):
            await kernel.pipeline.run(op.LIST, BOB, m.ListKeys())
        assert (await kernel.policies.activate("uid 0")).digest == "basic"
        assert kernel.is_ready
        await kernel.pipeline.run(op.LIST, BOB, m.ListKeys())
    async with on(journal, cedar(tmp_path, CLOSED)) as kernel:
        assert not kernel.is_ready


async def test_a_server_without_policies_stops_when_another_brings_some(
    journal: Any, tmp_path: Path
) -> None:
    async with on(journal, Kernel(settings(tmp_path / "basic"))) as basic:
        async with on(journal, cedar(tmp_path, CLOSED)):
            await basic.policies.look()
        assert not basic.is_ready


async def test_a_changed_file_becomes_active_once_it_is_at_rest(
    journal: Any, tmp_path: Path
) -> None:
    async with on(journal, cedar(tmp_path, OPEN)) as kernel:
        key_id = await active_key(kernel, algorithm=Algorithm.AES, size_bits=256)
        await encrypt(kernel, key_id)
        before = kernel.policies.digest
        (tmp_path / "policies.cedar").write_text(CLOSED)
        await kernel.policies.look()
        assert kernel.policies.digest == before
        await kernel.policies.look()
        assert kernel.policies.digest != before
        assert (await last_record(kernel))["reason"] == kernel.policies.digest
        with pytest.raises(PermissionDeniedError) as caught:
            await encrypt(kernel, key_id)
        assert caught.value.reason == "forbidden by policy not-bob"


async def test_a_bad_file_changes_nothing_but_the_health(journal: Any, tmp_path: Path) -> None:
    async with on(journal, cedar(tmp_path, OPEN)) as kernel:
        before = kernel.policies.digest
        (tmp_path / "policies.cedar").write_text(WRONG)
        await settle(kernel)
        assert kernel.policies.digest == before
        assert kernel.is_ready
        report = await kernel.health()
        assert report.status is Status.DEGRADED
        assert "policies.cedar:1" in str(report)
        with pytest.raises(UnavailableError, match=r"policies\.cedar:1"):
            await kernel.policies.activate("uid 0")


async def test_a_file_that_goes_back_is_left_until_an_operator_says_so(
    journal: Any, tmp_path: Path
) -> None:
    async with on(journal, cedar(tmp_path, OPEN)) as kernel:
        (tmp_path / "policies.cedar").write_text(CLOSED)
        await settle(kernel)
        closed = kernel.policies.digest
        (tmp_path / "policies.cedar").write_text(OPEN)
        await settle(kernel)
        assert kernel.policies.digest == closed
        assert kernel.is_ready
        assert (await kernel.policies.check()).status is Status.DEGRADED
        await kernel.policies.activate("uid 0")
        assert kernel.policies.digest != closed
        assert (await kernel.policies.check()).status is Status.OK


async def test_whoever_has_the_new_policies_at_hand_follows_at_once(
    journal: Any, tmp_path: Path
) -> None:
    async with (
        on(journal, cedar(tmp_path, OPEN, "a")) as one,
        on(journal, cedar(tmp_path, OPEN, "b")) as other,
    ):
        key_id = await active_key(other, algorithm=Algorithm.AES, size_bits=256)
        await encrypt(other, key_id)
        for name in "ab":
            (tmp_path / f"{name}.cedar").write_text(CLOSED)
        await settle(one)
        with pytest.raises(PermissionDeniedError):
            await encrypt(other, key_id)
        assert other.policies.digest == one.policies.digest
        activations = [r for r in await ledger(journal) if r["op"] == "PolicyActivated"]
        assert len(activations) == 2


async def test_whoever_has_other_policies_answers_nothing_more(
    journal: Any, tmp_path: Path
) -> None:
    async with (
        on(journal, cedar(tmp_path, OPEN, "a")) as one,
        on(journal, cedar(tmp_path, OPEN, "b")) as other,
    ):
        key_id = await active_key(other, algorithm=Algorithm.AES, size_bits=256)
        (tmp_path / "a.cedar").write_text(CLOSED)
        await settle(one)
        with pytest.raises(UnavailableError):
            await encrypt(other, key_id)
        assert not other.is_ready
        (tmp_path / "b.cedar").write_text(CLOSED)
        await settle(other)
        assert other.is_ready
        with pytest.raises(PermissionDeniedError):
            await encrypt(other, key_id)


async def test_a_keeper_that_adopts_something_else_decides_nothing(
    journal: Any, tmp_path: Path
) -> None:
    async with on(journal, cedar(tmp_path, OPEN)) as kernel:
        kernel.providers.authorizer.adopt = lambda: None  # type: ignore[attr-defined]
        (tmp_path / "policies.cedar").write_text(CLOSED)
        await settle(kernel)
        with pytest.raises(UnavailableError):
            await kernel.pipeline.run(op.LIST, BOB, m.ListKeys())


async def test_a_read_that_is_not_recorded_asks_the_journal_first(
    journal: Any, tmp_path: Path
) -> None:
    async with (
        on(journal, cedar(tmp_path, OPEN, "a")) as one,
        on(journal, cedar(tmp_path, OPEN, "b")) as other,
    ):
        key_id = await active_key(other, algorithm=Algorithm.AES, size_bits=256)
        await other.pipeline.run(op.GET, BOB, None, key_id)
        (tmp_path / "a.cedar").write_text(CLOSED)
        await settle(one)
        with pytest.raises(UnavailableError):
            await other.pipeline.run(op.GET, BOB, None, key_id)


async def test_a_refusal_by_superseded_policies_is_not_released_either(
    journal: Any, tmp_path: Path
) -> None:
    async with (
        on(journal, cedar(tmp_path, CLOSED, "a")) as one,
        on(journal, cedar(tmp_path, CLOSED, "b")) as other,
    ):
        key_id = await active_key(other, algorithm=Algorithm.AES, size_bits=256)
        for name in "ab":
            (tmp_path / f"{name}.cedar").write_text(OPEN)
        await settle(one)
        await encrypt(other, key_id)


async def test_no_use_is_released_after_the_policies_that_allowed_it(tmp_path: Path) -> None:
    dice = random.Random(5)
    released = 0
    async with (
        a_journal(tmp_path) as journal,
        on(journal, cedar(tmp_path, OPEN, "a")) as one,
        on(journal, cedar(tmp_path, OPEN, "b")) as other,
    ):
        key_id = await active_key(other, algorithm=Algorithm.AES, size_bits=256)
        for trial in range(60):
            before = await journal.head()
            released += await race(one, other, key_id, tmp_path, trial, dice)
            rows = [json.loads(r.body) for r in await journal.ledger(before, 1000)]
            ends = [n for n, row in enumerate(rows) if row["op"] == "PolicyActivated"]
            assert len(ends) == 2
            after = [row["outcome"] for row in rows[ends[0] : ends[1]] if row["op"] == "Encrypt"]
            assert "Success" not in after
    assert released


async def race(
    one: Kernel, other: Kernel, key_id: KeyId, directory: Path, trial: int, dice: random.Random
) -> int:
    """Shut bob out through `one` while he uses `other`; return how often he was let in."""

    async def use() -> int:
        for _ in range(dice.randrange(6)):
            await asyncio.sleep(0)
        try:
            await encrypt(other, key_id)
        except (PermissionDeniedError, UnavailableError):
            return 0
        return 1

    rewrite(directory, f"{CLOSED}// {trial}\n", "ab" if dice.random() < 0.5 else "a")
    done = await asyncio.gather(
        *(use() for _ in range(12)), one.policies.activate("a test"), return_exceptions=False
    )
    assert await use() == 0
    rewrite(directory, f"{OPEN}// {trial}\n", "ab")
    await one.policies.activate("a test")
    await settle(other)
    return sum(each for each in done if isinstance(each, int))


def rewrite(directory: Path, text: str, names: str) -> None:
    for name in names:
        (directory / f"{name}.cedar").write_text(text)


async def test_a_verification_knows_the_stream(journal: Any, tmp_path: Path) -> None:
    async with on(journal, cedar(tmp_path, OPEN)) as kernel:
        verified = await Verification(journal, kernel.providers.roots).run()
        assert verified.streams
