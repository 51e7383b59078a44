"""Another set lies in the file: it waits until it is adopted; a bad one never does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aegis_authz_cedar import CedarAuthorizer

from aegis_kernel import (
    Circumstances,
    Operation,
    PolicyKeeper,
    PolicyReader,
    Principal,
    PrincipalKind,
    Status,
)
from aegis_kernel.testing import PolicyKeeperConformance

Opener = Callable[..., Awaitable[CedarAuthorizer]]

ALICE = Principal(subject="alice", kind=PrincipalKind.HUMAN)
OPEN = '@id("all") permit (principal, action, resource);'
CLOSED = '@id("none") forbid (principal, action, resource);'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policies.cedar"


class TestCedarKeeper(PolicyKeeperConformance):
    @pytest.fixture
    async def policed(self, opened: Opener) -> CedarAuthorizer:
        return await opened(OPEN)

    @pytest.fixture
    def change(self, file: Path) -> Callable[[], None]:
        return lambda: _write(file, CLOSED)

    @pytest.fixture
    def spoil(self, file: Path) -> Callable[[], None]:
        return lambda: _write(file, "permit (")


def _write(file: Path, text: str) -> None:
    file.write_text(text)


def is_open(authorizer: CedarAuthorizer) -> bool:
    return authorizer.decide(ALICE, Operation.LIST, None, Circumstances()).allowed


async def test_it_meets_the_optional_ports(opened: Opener) -> None:
    authorizer = await opened(OPEN)
    assert isinstance(authorizer, PolicyKeeper)
    assert isinstance(authorizer, PolicyReader)


async def test_nothing_changed_is_nothing_found(opened: Opener) -> None:
    authorizer = await opened(OPEN)
    assert await authorizer.look_again() is None
    assert await authorizer.look_again(at_once=True) is None


async def test_a_changed_file_waits_until_two_looks_saw_the_same_and_it_is_adopted(
    opened: Opener, file: Path
) -> None:
    authorizer = await opened(OPEN)
    before = authorizer.digest
    file.write_text(CLOSED)
    assert await authorizer.look_again() is None
    found = await authorizer.look_again()
    assert found not in (None, before)
    assert authorizer.digest == before
    assert is_open(authorizer)
    authorizer.adopt()
    assert authorizer.digest == found
    assert not is_open(authorizer)
    assert await authorizer.look_again() is None


async def test_a_file_that_is_still_being_written_is_left_for_the_next_look(
    opened: Opener, file: Path
) -> None:
    authorizer = await opened(OPEN)
    for number in range(1, 4):
        file.write_text(OPEN + "\n" + CLOSED[: 10 * number])
        assert await authorizer.look_again() is None
    assert (await authorizer.check()).status is Status.OK


async def test_asked_to_look_at_once_it_does(opened: Opener, file: Path) -> None:
    authorizer = await opened(OPEN)
    file.write_text(CLOSED)
    assert await authorizer.look_again(at_once=True) is not None


@pytest.mark.parametrize(
    "text", ["permit (", "", 'permit (principal, action == Action::"X", resource);']
)
async def test_a_bad_file_keeps_the_last_good_set_says_so_once_and_heals(
    opened: Opener, file: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    authorizer = await opened(OPEN)
    file.write_text(text)
    for _ in range(4):
        assert await authorizer.look_again() is None
    assert is_open(authorizer)
    health = await authorizer.check()
    assert health.status is Status.DEGRADED
    assert health.detail
    assert health.detail.startswith("the last good policies decide: ")
    assert len([r for r in caplog.records if r.levelname == "ERROR"]) == 1
    file.write_text(OPEN)
    for _ in range(2):
        assert await authorizer.look_again() is None
    assert (await authorizer.check()).status is Status.OK


async def test_a_file_that_is_gone_keeps_the_last_good_set(opened: Opener, file: Path) -> None:
    authorizer = await opened(OPEN)
    file.unlink()
    for _ in range(2):
        assert await authorizer.look_again() is None
    assert is_open(authorizer)
    assert (await authorizer.check()).status is Status.DEGRADED


async def test_what_goes_back_before_it_was_adopted_waits_no_more(
    opened: Opener, file: Path
) -> None:
    authorizer = await opened(OPEN)
    file.write_text(CLOSED)
    assert await authorizer.look_again(at_once=True) is not None
    file.write_text(OPEN)
    assert await authorizer.look_again(at_once=True) is None
    authorizer.adopt()
    assert is_open(authorizer)


async def test_the_digest_is_that_of_the_bytes(opened: Opener, file: Path) -> None:
    authorizer = await opened(OPEN)
    assert (await authorizer.read(None)).digest == authorizer.digest
    file.write_text(OPEN + " ")
    assert (await authorizer.read(None)).digest != authorizer.digest
    assert is_open(authorizer)
