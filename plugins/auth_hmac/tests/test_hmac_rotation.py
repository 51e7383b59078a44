"""Two secrets at once: both are believed, one issues, and a host without a secret refuses its tokens."""

from __future__ import annotations

import jwt
import pytest
from aegis_auth_hmac import HmacAuthenticator, HmacSettings, JwtIssuer

from aegis_kernel import Secret, UnauthorizedError
from aegis_kernel.testing.doubles import ManualClock

OLD = "the old secret of the tests, never for a server"
NEW = "the new secret of the tests, never for a server"
THIRD = "a third secret, which only a stranger could have"


def host(current: str, previous: str | None = None) -> HmacAuthenticator:
    settings = HmacSettings(
        secret=Secret(current.encode()),
        secret_previous=Secret(previous.encode()) if previous else None,
    )
    return HmacAuthenticator(settings, ManualClock())


def token_of(secret: str) -> str:
    return JwtIssuer.hmac(secret, now=ManualClock().time).issue("alice", {"admins"}, 3600)


async def believes(authenticator: HmacAuthenticator, token: str) -> bool:
    try:
        answer = await authenticator.authenticate({b"authorization": b"Bearer " + token.encode()})
    except UnauthorizedError:
        return False
    return answer is not None and answer.principal.subject == "alice"


async def test_tokens_of_both_secrets_are_believed_and_of_no_third() -> None:
    authenticator = host(NEW, OLD)
    believed = [await believes(authenticator, token_of(each)) for each in (NEW, OLD, THIRD)]
    assert believed == [True, True, False]


async def test_the_previous_secret_ends_where_it_is_unset() -> None:
    assert not await believes(host(NEW), token_of(OLD))


def test_only_the_current_secret_issues() -> None:
    issued = host(NEW, OLD).issue_token("alice", frozenset(), "human", 60)
    options = {"verify_exp": False, "verify_iat": False}
    assert jwt.decode(issued, NEW, algorithms=["HS256"], options=options)["sub"] == "alice"
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(issued, OLD, algorithms=["HS256"], options=options)


async def test_a_token_of_the_previous_secret_is_held_to_the_same_rules() -> None:
    long = JwtIssuer.hmac(OLD, now=ManualClock().time).issue("alice", (), 90_000)
    with pytest.raises(UnauthorizedError) as caught:
        await host(NEW, OLD).authenticate({b"authorization": b"Bearer " + long.encode()})
    assert caught.value.reason == "lives too long"


# What the README tells many hosts to do: (current, previous) at each step.
STEPS = [(OLD, None), (OLD, NEW), (NEW, OLD), (NEW, None)]


@pytest.mark.parametrize("step", range(len(STEPS) - 1))
async def test_at_each_step_of_the_exchange_every_host_believes_what_any_host_issues(
    step: int,
) -> None:
    hosts = [host(*STEPS[step]), host(*STEPS[step + 1])]
    for issuer in hosts:
        token = issuer.issue_token("alice", frozenset(), "human", 60)
        assert all([await believes(each, token) for each in hosts])


def test_no_repr_shows_either_secret() -> None:
    authenticator = host(NEW, OLD)
    shown = f"{authenticator!r}{vars(authenticator)}{vars(authenticator._verifier)}"
    assert OLD not in shown
    assert NEW not in shown
