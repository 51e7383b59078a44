from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from aegis_auth_hmac import HmacAuthenticator, HmacSettings, JwtIssuer, Plugin

from aegis_kernel import Principal, PrincipalKind, Secret
from aegis_kernel.testing import AuthenticatorConformance
from aegis_kernel.testing.doubles import ManualClock, plugin_context

SECRET = "one secret for the tests, never for a server"


def bearer(token: str) -> dict[bytes, bytes]:
    return {b"authorization": f"Bearer {token}".encode()}


class TestHmacAuthenticator(AuthenticatorConformance):
    @pytest.fixture
    async def authenticator(self, clock: ManualClock) -> AsyncIterator[HmacAuthenticator]:
        settings = HmacSettings(secret=Secret(SECRET.encode()))
        authenticator = HmacAuthenticator(settings, clock)
        await authenticator.open()
        yield authenticator
        await authenticator.aclose()

    @pytest.fixture
    def good(self, clock: ManualClock) -> list[tuple[dict[bytes, bytes], Principal]]:
        issuer = JwtIssuer.hmac(SECRET, now=clock.time)
        principals = [
            Principal(subject="alice", kind=PrincipalKind.HUMAN, groups=frozenset({"admins", "a"})),
            Principal(subject="deploy@ci", kind=PrincipalKind.SERVICE),
        ]
        return [(bearer(token_of(issuer, who)), who) for who in principals]

    @pytest.fixture
    def bad(self, clock: ManualClock) -> list[dict[bytes, bytes]]:
        stranger = JwtIssuer.hmac("the secret of quite another service", now=clock.time)
        old = JwtIssuer.hmac(SECRET, now=lambda: clock.time() - 7200)
        return [
            bearer(""),
            bearer("not-a-token"),
            bearer(stranger.issue("alice", {"admins"}, timedelta(hours=1))),
            bearer(old.issue("alice", {"admins"}, timedelta(hours=1))),
            bearer(old.issue("alice", {"admins"}, timedelta(days=2))),
        ]

    @pytest.fixture
    def not_mine(self) -> list[dict[bytes, bytes]]:
        return [{b"authorization": b"Basic YWxpY2U6c2VjcmV0"}, {b"x-aegis-user": b"alice"}]

    @pytest.fixture
    def secrets(self, good: list[tuple[dict[bytes, bytes], Principal]]) -> list[str]:
        tokens = [headers[b"authorization"].decode().split()[1] for headers, _ in good]
        return [SECRET, *tokens]


def token_of(issuer: JwtIssuer, who: Principal) -> str:
    return issuer.issue(who.subject, who.groups, 3600, kind=who.kind.lower())


def test_the_plugin_builds_it_and_boot_can_name_it(tmp_path: Path) -> None:
    settings = HmacSettings(secret=Secret(SECRET.encode()))
    authenticator = Plugin().aegis_authenticator(plugin_context(settings, tmp_path))
    assert authenticator.description == "JWT bearer tokens (HS256)"
    assert authenticator.credential_headers == (b"authorization",)
