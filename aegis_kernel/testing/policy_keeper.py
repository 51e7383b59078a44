"""The laws of every authorizer whose policies can be exchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest

from aegis_kernel.spi.authorizer import Authorizer
from aegis_kernel.spi.policy import PolicyKeeper
from aegis_kernel.spi.provider import Status
from aegis_kernel.testing.authorizer import questions

Change = Callable[[], None]


class PolicedAuthorizer(Authorizer, PolicyKeeper, Protocol):
    """Both ports in one provider."""


class PolicyKeeperConformance:
    """Override the three fixtures. `change` and `spoil` act where the policies lie, from outside."""

    @pytest.fixture
    def policed(self) -> PolicedAuthorizer:
        """An opened authorizer over good policies."""
        raise NotImplementedError("override the fixture `policed`")

    @pytest.fixture
    def change(self) -> Change:
        """Put other good policies there, which decide at least one question of the kit otherwise."""
        raise NotImplementedError("override the fixture `change`")

    @pytest.fixture
    def spoil(self) -> Change:
        """Put policies there that no boot would take."""
        raise NotImplementedError("override the fixture `spoil`")

    def test_it_meets_the_optional_port(self, policed: PolicedAuthorizer) -> None:
        assert isinstance(policed, PolicyKeeper)

    def test_the_digest_is_a_short_word(self, policed: PolicedAuthorizer) -> None:
        assert 0 < len(policed.digest) <= 128
        assert policed.digest.isascii()
        assert policed.digest.isprintable()

    async def test_where_nothing_changed_nothing_waits(self, policed: PolicedAuthorizer) -> None:
        before = policed.digest
        assert await policed.look_again() is None
        assert await policed.look_again(at_once=True) is None
        policed.adopt()
        assert policed.digest == before

    async def test_other_policies_decide_only_once_they_are_adopted(
        self, policed: PolicedAuthorizer, change: Change
    ) -> None:
        before, decided = policed.digest, _decisions(policed)
        change()
        found = await policed.look_again(at_once=True)
        assert found not in (None, before)
        assert policed.digest == before
        assert _decisions(policed) == decided
        policed.adopt()
        assert policed.digest == found
        assert _decisions(policed) != decided
        assert await policed.look_again() is None

    async def test_they_are_found_by_looking_now_and_then(
        self, policed: PolicedAuthorizer, change: Change
    ) -> None:
        change()
        looks = [await policed.look_again() for _ in range(3)]
        assert looks[-1] not in (None, policed.digest)

    async def test_bad_policies_change_nothing_and_are_told_until_they_are_mended(
        self, policed: PolicedAuthorizer, change: Change, spoil: Change
    ) -> None:
        before, decided = policed.digest, _decisions(policed)
        spoil()
        assert await policed.look_again(at_once=True) is None
        policed.adopt()
        assert policed.digest == before
        assert _decisions(policed) == decided
        assert (await policed.check()).status is not Status.OK
        change()
        assert await policed.look_again(at_once=True) is not None
        assert (await policed.check()).status is Status.OK


def _decisions(authorizer: Authorizer) -> list[bool]:
    return [authorizer.decide(*question).allowed for question in questions()]
