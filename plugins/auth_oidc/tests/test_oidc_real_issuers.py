"""Against two real issuers: tokens, keys that come and go, an issuer that is down and up again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aegis_auth_oidc import OidcAuthenticator, OidcSettings

from aegis_kernel import (
    Authenticated,
    BootError,
    Principal,
    PrincipalKind,
    UnauthorizedError,
    UnavailableError,
)
from aegis_kernel.testing.doubles import ManualClock, ThreadExecutor

pytestmark = pytest.mark.node

AUDIENCE = "https://kms.example.com"
BASE = {"aud": AUDIENCE, "sub": "alice"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(time.time())


@asynccontextmanager
async def opened(settings: OidcSettings, clock: ManualClock) -> AsyncIterator[OidcAuthenticator]:
    authenticator = OidcAuthenticator(settings, clock, ThreadExecutor())
    try:
        await authenticator.open()
        yield authenticator
    finally:
        await authenticator.aclose()


async def ask(authenticator: OidcAuthenticator, token: str) -> Authenticated | None:
    return await authenticator.authenticate({b"authorization": f"Bearer {token}".encode()})


def of(issuer: Any, **more: Any) -> OidcSettings:
    return OidcSettings(issuer=issuer.url, audience=(AUDIENCE,), **more)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_token_of_oidc_provider_makes_its_client_a_service(
    provider: Any, clock: ManualClock, algorithm: str
) -> None:
    token = provider.token(algorithm=algorithm, audience=AUDIENCE)
    settings = of(
        provider,
        service_claim="kind",
        service_value="machine",
        groups_claim="realm_access.roles",
        groups_map=("kms admins=admins",),
    )
    async with opened(settings, clock) as authenticator:
        authenticated = await ask(authenticator, token)
    assert authenticated is not None
    assert authenticated.principal == Principal(
        subject=f"robot-{algorithm}", kind=PrincipalKind.SERVICE, groups=frozenset({"admins"})
    )


async def test_an_algorithm_that_the_issuer_may_not_use_is_refused(
    provider: Any, clock: ManualClock
) -> None:
    settings = of(provider, algorithms=("ES256",))
    async with opened(settings, clock) as authenticator:
        with pytest.raises(UnauthorizedError):
            await ask(authenticator, provider.token(algorithm="RS256", audience=AUDIENCE))
        assert await ask(authenticator, provider.token(algorithm="ES256", audience=AUDIENCE))


async def test_a_new_key_is_believed_at_once_and_a_removed_one_after_a_refresh_no_more(
    mock: Any, clock: ManualClock
) -> None:
    async with opened(of(mock, refresh_seconds=1.0), clock) as authenticator:
        old = mock.token(kid="first", claims=BASE)
        assert await ask(authenticator, old)
        mock.tell("generate", algorithm="RS256", kid="second")
        mock.tell("remove", kid="first")
        assert await ask(authenticator, mock.token(kid="second", claims=BASE))
        with pytest.raises(UnauthorizedError) as caught:
            await ask(authenticator, old)
        assert caught.value.reason == "the issuer has no such key"


async def test_the_keys_are_read_anew_in_the_background(mock: Any, clock: ManualClock) -> None:
    async with opened(of(mock, refresh_seconds=1.0), clock) as authenticator:
        old = mock.token(kid="first", claims=BASE)
        mock.tell("generate", algorithm="RS256", kid="second")
        mock.tell("remove", kid="first")
        await until_refused(authenticator, old)


async def until_refused(authenticator: OidcAuthenticator, token: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await ask(authenticator, token)
            except UnauthorizedError:
                return
            await asyncio.sleep(0.05)


async def test_a_flood_of_unknown_keys_makes_few_requests_and_hides_no_new_key_for_long(
    mock: Any, clock: ManualClock
) -> None:
    mock.tell("generate", algorithm="ES256", kid="hidden")
    forged = [
        mock.token(kid="hidden", claims=BASE, header={"kid": f"no-{number}"})
        for number in range(50)
    ]
    async with opened(of(mock), clock) as authenticator:
        before = mock.tell("requests")
        for _ in range(320):  # more than five minutes, 50 at once in each second
            said = await asyncio.gather(
                *(ask(authenticator, token) for token in forged), return_exceptions=True
            )
            assert all(isinstance(each, UnauthorizedError) for each in said)
            clock.advance(1)
        assert mock.tell("requests") - before <= 9
        mock.tell("generate", algorithm="ES256", kid="late")
        late = mock.token(kid="late", claims=BASE)
        clock.advance(60)
        assert await ask(authenticator, late)


async def test_known_keys_go_on_while_the_issuer_is_down_and_unknown_ones_are_503(
    mock: Any, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(of(mock), clock) as authenticator:
        known = mock.token(kid="first", claims=BASE)
        mock.tell("generate", algorithm="ES256", kid="second")
        unknown = mock.token(kid="second", claims=BASE)
        mock.tell("stop")
        clock.advance(61)
        with pytest.raises(UnavailableError) as caught:
            await ask(authenticator, unknown)
        assert 1 <= caught.value.retry_after_seconds <= 60
        with pytest.raises(UnavailableError):
            await ask(authenticator, unknown)
        assert await ask(authenticator, known)
        assert (await authenticator.check()).status == "degraded"
        mock.tell("start")
        clock.advance(61)
        assert await ask(authenticator, unknown)
        assert (await authenticator.check()).status == "ok"
    assert [record.message.split(mock.url)[1] for record in caplog.records] == [
        " cannot be reached: Connection refused; its known keys go on working",
        " is heard again",
    ]


async def test_keys_of_an_issuer_that_is_silent_for_a_day_are_believed_no_more(
    mock: Any, clock: ManualClock
) -> None:
    async with opened(of(mock, max_ttl_seconds=864_000), clock) as authenticator:
        claims = {**BASE, "exp": int(clock.time()) + 800_000}
        known = mock.token(kid="first", claims=claims)
        mock.tell("stop")
        clock.advance(24 * 3600 - 1)
        assert await ask(authenticator, known)
        clock.advance(1)
        with pytest.raises(UnavailableError):
            await ask(authenticator, known)
        assert (await authenticator.check()).status == "unavailable"
        mock.tell("start")
        clock.advance(61)
        assert await ask(authenticator, known)


async def test_an_issuer_that_is_down_at_boot_stops_the_boot_and_says_the_remedy(
    mock: Any, clock: ManualClock
) -> None:
    mock.tell("stop")
    with pytest.raises(BootError, match=rf"{mock.url} cannot be reached.*Check its address"):
        async with opened(of(mock), clock):
            pass


async def test_two_issuers_at_once_each_by_its_own_rules(
    mock: Any, provider: Any, clock: ManualClock, tmp_path: Path
) -> None:
    file = tmp_path / "issuers.json"
    corp = {"name": "corp", "issuer": mock.url, "audience": ["aegis"], "algorithms": ["ES256"]}
    ci = {"name": "ci", "issuer": provider.url, "audience": [AUDIENCE], "service_claim": "kind"}
    ci["groups_claim"] = "realm_access.roles"
    file.write_text(json.dumps({"issuers": [corp, ci]}))
    robot = provider.token(algorithm="EdDSA", audience=AUDIENCE)
    alice = mock.token(claims={"aud": "aegis", "sub": "alice", "groups": ["ops"]})
    for_the_other = mock.token(claims={"aud": AUDIENCE, "sub": "alice"})
    under_the_others_name = mock.token(claims={**BASE, "iss": provider.url})
    async with opened(OidcSettings(issuers_file=file), clock) as authenticator:
        robots, alices = await ask(authenticator, robot), await ask(authenticator, alice)
        for token in (for_the_other, under_the_others_name):
            with pytest.raises(UnauthorizedError):
                await ask(authenticator, token)
        assert authenticator.description == "OIDC bearer tokens of 2 issuers"
    assert robots is not None
    assert alices is not None
    assert robots.principal == Principal(
        subject="ci:robot-EdDSA", kind=PrincipalKind.SERVICE, groups=frozenset({"ci:robots"})
    )
    assert alices.principal == Principal(
        subject="corp:alice", kind=PrincipalKind.HUMAN, groups=frozenset({"corp:ops"})
    )
