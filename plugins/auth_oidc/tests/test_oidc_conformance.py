from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aegis_auth_oidc import OidcAuthenticator, OidcSettings, Plugin

from aegis_kernel import Authenticator, Principal, PrincipalKind
from aegis_kernel.testing import AuthenticatorConformance
from aegis_kernel.testing.doubles import ManualClock, ThreadExecutor, plugin_context

from .forge import AUDIENCE, STRANGER, forge
from .place import Place

Good = list[tuple[dict[bytes, bytes], Principal]]


def bearer(token: bytes) -> dict[bytes, bytes]:
    return {b"authorization": b"Bearer " + token}


class TestOidcAuthenticator(AuthenticatorConformance):
    @pytest.fixture
    async def authenticator(
        self, clock: ManualClock, here: Place
    ) -> AsyncIterator[OidcAuthenticator]:
        settings = OidcSettings(issuer=here.url, audience=(AUDIENCE,), service_claim="robot")
        authenticator = OidcAuthenticator(settings, clock, ThreadExecutor())
        await authenticator.open()
        yield authenticator
        await authenticator.aclose()

    @pytest.fixture
    def claims(self, clock: ManualClock, here: Place) -> dict[str, Any]:
        return {"iss": here.url, "aud": AUDIENCE, "sub": "alice", "exp": int(clock.time()) + 600}

    @pytest.fixture
    def good(self, claims: dict[str, Any]) -> Good:
        said = claims | {"groups": ["admins", "ops"], "nbf": claims["exp"] - 600}
        alice = Principal(
            subject="alice", kind=PrincipalKind.HUMAN, groups=frozenset({"admins", "ops"})
        )
        robot = Principal(subject="ci", kind=PrincipalKind.SERVICE)
        return [
            (bearer(forge({"alg": "RS256", "kid": "rsa"}, said, "RS256")), alice),
            (bearer(forge({"alg": "EdDSA", "kid": "ed"}, said, "EdDSA")), alice),
            (bearer(forge({"alg": "ES256"}, claims | {"sub": "ci", "robot": True})), robot),
        ]

    @pytest.fixture
    def bad(self, claims: dict[str, Any]) -> list[dict[bytes, bytes]]:
        header = {"alg": "ES256", "kid": "ec"}
        return [
            bearer(forge(header, claims, private=STRANGER)),
            bearer(forge(header, claims | {"aud": "billing"})),
            bearer(forge(header | {"kid": "nobody's"}, claims)),
            bearer(forge(header, claims | {"exp": 1})),
        ]

    @pytest.fixture
    def not_mine(self, claims: dict[str, Any]) -> list[dict[bytes, bytes]]:
        elsewhere = claims | {"iss": "https://elsewhere.example.com"}
        return [
            {b"authorization": b"Basic YWxpY2U6c2VjcmV0"},
            {b"x-aegis-user": b"alice"},
            bearer(b"an-opaque-token"),
            bearer(forge({"alg": "HS256"}, claims)),
            bearer(forge({"alg": "ES256"}, elsewhere)),
            bearer(forge({"alg": "ES256", "typ": "aegis-agent+jwt"}, claims | {"iss": "aegis"})),
        ]

    @pytest.fixture
    def secrets(self, good: Good) -> list[str]:
        return [headers[b"authorization"].decode().split()[1] for headers, _ in good]


def test_the_plugin_builds_it_without_asking_anybody(tmp_path: Path) -> None:
    settings = OidcSettings(issuer="https://idp.example.com", audience=(AUDIENCE,))
    authenticator: Authenticator = Plugin().aegis_authenticator(plugin_context(settings, tmp_path))
    assert authenticator.description == "OIDC bearer tokens of https://idp.example.com"
    assert authenticator.credential_headers == (b"authorization",)
