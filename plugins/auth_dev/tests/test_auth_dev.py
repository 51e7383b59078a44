from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aegis_auth_dev import DevAuthenticator, Plugin

from aegis_kernel import NoSettings, Principal, PrincipalKind, UnauthorizedError
from aegis_kernel.testing import AuthenticatorConformance
from aegis_kernel.testing.doubles import ManualClock, plugin_context

HEADER = b"x-aegis-user"
BAD = [
    b"",
    b" ",
    b"alice ",
    b"alice bob",
    b"alice\x00",
    b"alice\r\nx-evil: 1",
    b"\x7f",
    "älice".encode(),
    b"\xff\xfe",
    b"a" * 257,
    b"a" * 64 * 1024,
]


def admin(subject: str) -> Principal:
    return Principal(subject=subject, kind=PrincipalKind.HUMAN, groups=frozenset({"admins"}))


class TestDevAuthenticator(AuthenticatorConformance):
    @pytest.fixture
    async def authenticator(self, clock: ManualClock) -> AsyncIterator[DevAuthenticator]:
        authenticator = DevAuthenticator(clock)
        await authenticator.open()
        yield authenticator
        await authenticator.aclose()

    @pytest.fixture
    def good(self) -> list[tuple[dict[bytes, bytes], Principal]]:
        names = ["alice", "bob@example.com", "a" * 256]
        return [({HEADER: name.encode()}, admin(name)) for name in names]

    @pytest.fixture
    def bad(self) -> list[dict[bytes, bytes]]:
        return [{HEADER: value} for value in BAD]

    @pytest.fixture
    def not_mine(self) -> list[dict[bytes, bytes]]:
        return [{b"authorization": b"Bearer eyJhbGciOiJIUzI1NiJ9.e30.AA"}]


@pytest.mark.parametrize("value", BAD, ids=lambda value: repr(value[:20]))
async def test_a_value_that_is_no_subject_is_refused(value: bytes) -> None:
    with pytest.raises(UnauthorizedError):
        await DevAuthenticator(ManualClock()).authenticate({HEADER: value})


async def test_a_request_without_the_header_is_nobody_and_no_anonymous_admin() -> None:
    assert await DevAuthenticator(ManualClock()).authenticate({}) is None


def test_the_plugin_builds_it_and_boot_can_name_it(tmp_path: Path) -> None:
    authenticator = Plugin().aegis_authenticator(plugin_context(NoSettings(), tmp_path))
    assert authenticator.description == "dev mode (X-Aegis-User header)"
    assert authenticator.credential_headers == (HEADER,)


async def test_it_warns_at_every_boot(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        await DevAuthenticator(ManualClock()).open()
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.name for record in warnings] == ["aegis_auth_dev"] * 2
