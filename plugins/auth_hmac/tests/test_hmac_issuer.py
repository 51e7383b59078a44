from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import jwt
import pytest
from aegis_auth_hmac import HmacAuthenticator, HmacSettings, JwtIssuer
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis_kernel import Principal, PrincipalKind, Secret, UnauthorizedError
from aegis_kernel.testing.doubles import ManualClock

SECRET = "one secret for the tests, never for a server"
NAMES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)


def new_authenticator(clock: ManualClock, **limits: int) -> HmacAuthenticator:
    return HmacAuthenticator(HmacSettings(secret=Secret(SECRET.encode()), **limits), clock)


async def principal_of(authenticator: HmacAuthenticator, token: str) -> Principal | None:
    headers = {b"authorization": f"Bearer {token}".encode()}
    authenticated = await authenticator.authenticate(headers)
    return authenticated.principal if authenticated else None


async def test_the_token_of_the_walkthrough_authenticates() -> None:
    clock = ManualClock()
    token = JwtIssuer.hmac(secret=SECRET, now=clock.time).issue(
        subject="alice", groups={"admins"}, ttl=timedelta(hours=1)
    )
    assert await principal_of(new_authenticator(clock), token) == Principal(
        subject="alice", kind=PrincipalKind.HUMAN, groups=frozenset({"admins"})
    )


def test_without_a_clock_the_token_counts_from_now() -> None:
    token = JwtIssuer.hmac(SECRET).issue("alice", {"admins"}, ttl=60)
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    assert claims["exp"] - claims["iat"] == 60


@pytest.mark.parametrize("secret", [SECRET, SECRET.encode(), Secret(SECRET.encode())])
def test_the_secret_may_be_text_bytes_or_a_secret(secret: Any) -> None:
    token = JwtIssuer.hmac(secret).issue("alice", (), 60)
    assert jwt.decode(token, SECRET, algorithms=["HS256"])["sub"] == "alice"


@given(
    NAMES,
    st.frozensets(NAMES, max_size=8),
    st.sampled_from(["human", "service"]),
    st.floats(1, 86_400),
)
@settings(max_examples=100, deadline=None)
async def test_whatever_is_issued_is_accepted(
    subject: str, groups: frozenset[str], kind: str, ttl: float
) -> None:
    authenticator = new_authenticator(ManualClock())
    token = authenticator.issue_token(subject, groups, kind, ttl)
    principal = await principal_of(authenticator, token)
    assert principal == Principal(subject=subject, kind=PrincipalKind(kind.title()), groups=groups)


async def test_a_token_ends_with_its_ttl_and_the_leeway() -> None:
    clock = ManualClock(1_000_000.0)
    authenticator = new_authenticator(clock)
    token = authenticator.issue_token("alice", frozenset(), "human", 60)
    clock.advance(89.9)
    assert await principal_of(authenticator, token)
    clock.advance(0.1)
    with pytest.raises(UnauthorizedError):
        await principal_of(authenticator, token)


def test_the_provider_issues_nothing_that_it_would_refuse_as_too_long() -> None:
    authenticator = new_authenticator(ManualClock(), max_ttl_seconds=60)
    assert authenticator.issue_token("alice", frozenset(), "human", 60)
    with pytest.raises(ValueError, match="at most 60 seconds; AEGIS_AUTH_HMAC_MAX_TTL_SECONDS"):
        authenticator.issue_token("alice", frozenset(), "human", 61)


def test_the_kind_may_be_spelled_as_audit_records_do() -> None:
    authenticator = new_authenticator(ManualClock())
    token = authenticator.issue_token("ci", frozenset(), PrincipalKind.SERVICE, 60)
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], options=options)
    assert claims["aegis_kind"] == "service"


@pytest.mark.parametrize("ttl", [0, -1, math.nan, math.inf, timedelta(0), timedelta(seconds=-1)])
def test_a_life_that_is_none_is_refused(ttl: Any) -> None:
    with pytest.raises(ValueError, match="ttl must be longer than 0 seconds"):
        JwtIssuer.hmac(SECRET).issue("alice", (), ttl)


@pytest.mark.parametrize("subject", ["", "a b", "a\x00", "älice", "a" * 257, "\ud800"])
def test_a_subject_that_is_none_is_refused(subject: str) -> None:
    with pytest.raises(ValueError, match="subject must be"):
        JwtIssuer.hmac(SECRET).issue(subject, (), 60)


@pytest.mark.parametrize("groups", [{""}, {"a b"}, {f"g{number}" for number in range(65)}])
def test_groups_that_are_none_are_refused(groups: set[str]) -> None:
    with pytest.raises(ValueError, match="groups must be"):
        JwtIssuer.hmac(SECRET).issue("alice", groups, 60)


def test_one_string_is_not_a_set_of_groups() -> None:
    with pytest.raises(TypeError, match="groups must be a set"):
        JwtIssuer.hmac(SECRET).issue("alice", "admins", 60)


def test_a_token_that_no_server_would_read_is_refused() -> None:
    groups = {f"{number:064}" * 3 for number in range(64)}
    with pytest.raises(ValueError, match="name fewer groups"):
        JwtIssuer.hmac(SECRET).issue("alice", groups, 60)


@pytest.mark.parametrize("kind", ["agent", "Unknown", ""])
def test_a_kind_that_tokens_do_not_have_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="kind must be one of human, service"):
        JwtIssuer.hmac(SECRET).issue("alice", (), 60, kind=kind)


def test_the_issuer_does_not_show_its_secret() -> None:
    issuer = JwtIssuer.hmac(SECRET)
    assert SECRET not in f"{issuer!r}{vars(issuer)}"
