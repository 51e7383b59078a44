"""Every way in which a bearer token is refused, each one step away from a good token."""

from __future__ import annotations

import contextlib
from typing import Any

import jwt
import pytest
from aegis_auth_hmac import HmacAuthenticator, HmacSettings
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis_kernel import Authenticated, PrincipalKind, Secret, UnauthorizedError
from aegis_kernel.testing.doubles import ManualClock

from .forge import (
    ALG,
    CANON,
    CLAIMS,
    DAY,
    GOOD,
    HEADER,
    HEADER_JSON,
    LEEWAY,
    MESSAGE,
    NOW,
    SECRET,
    SHAPE,
    SIGNATURE,
    forge,
    raw_claims,
    sign,
    without,
)
from .tokens import ACCEPTED, NOT_MINE, REFUSED


@pytest.fixture(scope="module")
def authenticator() -> HmacAuthenticator:
    return HmacAuthenticator(HmacSettings(secret=Secret(SECRET)), ManualClock(float(NOW)))


async def ask(authenticator: HmacAuthenticator, token: bytes) -> Authenticated | None:
    return await authenticator.authenticate({b"authorization": b"Bearer " + token})


@pytest.mark.parametrize(("token", "reason"), REFUSED.values(), ids=REFUSED)
async def test_a_token_is_refused_for_its_own_reason_which_only_the_audit_learns(
    authenticator: HmacAuthenticator, token: bytes, reason: str
) -> None:
    with pytest.raises(UnauthorizedError) as caught:
        await ask(authenticator, token)
    assert caught.value.message == MESSAGE
    assert caught.value.reason == reason


@pytest.mark.parametrize("token", ACCEPTED.values(), ids=ACCEPTED)
async def test_a_token_without_that_defect_is_accepted(
    authenticator: HmacAuthenticator, token: bytes
) -> None:
    authenticated = await ask(authenticator, token)
    assert authenticated is not None
    assert authenticated.principal.subject == "alice"
    assert authenticated.valid_until > NOW


@pytest.mark.parametrize("depth", range(100, 2800, 100))
async def test_nesting_that_python_cannot_parse_is_refused_and_no_other_error(
    authenticator: HmacAuthenticator, depth: int
) -> None:
    token = raw_claims(after=',"x":' + "[" * depth + "]" * depth)
    with contextlib.suppress(UnauthorizedError):
        assert await ask(authenticator, token)


@pytest.mark.parametrize("token", NOT_MINE.values(), ids=NOT_MINE)
async def test_a_token_that_says_it_is_of_a_key_pair_is_left_to_the_next(
    authenticator: HmacAuthenticator, token: bytes
) -> None:
    assert await ask(authenticator, token) is None


JUDGED_BY_CLAIMS = {
    name: token
    for name, (token, reason) in REFUSED.items()
    if reason not in (ALG, CANON, HEADER_JSON, SHAPE, SIGNATURE)
    and not reason.startswith(("token longer", "header has", "typ is"))
}


@pytest.mark.parametrize("token", JUDGED_BY_CLAIMS.values(), ids=JUDGED_BY_CLAIMS)
async def test_claims_are_not_looked_at_before_the_signature_holds(
    authenticator: HmacAuthenticator, token: bytes
) -> None:
    signed = token.rpartition(b".")[0]
    with pytest.raises(UnauthorizedError) as caught:
        await ask(authenticator, sign(signed, b"another secret, as long as the right one"))
    assert caught.value.reason == SIGNATURE


def test_the_table_is_long_enough_to_mean_something() -> None:
    assert len(REFUSED) >= 40


async def test_an_absent_group_claim_is_no_group_and_an_absent_kind_is_human(
    authenticator: HmacAuthenticator,
) -> None:
    authenticated = await ask(authenticator, without("aegis_groups", "aegis_kind"))
    assert authenticated is not None
    assert authenticated.principal.groups == frozenset()
    assert authenticated.principal.kind is PrincipalKind.HUMAN


async def test_an_answer_holds_until_the_expiry_and_its_leeway(
    authenticator: HmacAuthenticator,
) -> None:
    authenticated = await ask(authenticator, GOOD)
    assert authenticated is not None
    assert authenticated.valid_until == NOW + 3600 + LEEWAY


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"bEaReR"])
async def test_the_scheme_may_be_spelled_in_any_case(
    authenticator: HmacAuthenticator, scheme: bytes
) -> None:
    assert await authenticator.authenticate({b"authorization": scheme + b" " + GOOD})


@pytest.mark.parametrize("value", [b"Bearer", b"Bearer ", b"Bearer  " + GOOD, b"bearer " + b" "])
async def test_a_bearer_without_one_token_behind_one_space_is_refused(
    authenticator: HmacAuthenticator, value: bytes
) -> None:
    with pytest.raises(UnauthorizedError, match=MESSAGE):
        await authenticator.authenticate({b"authorization": value})


@pytest.mark.parametrize(
    "value", [b"", GOOD, b"Basic YWxpY2U6eA==", b"Token " + GOOD, b"Bearers " + GOOD, b" Bearer x"]
)
async def test_another_scheme_is_for_another_authenticator(
    authenticator: HmacAuthenticator, value: bytes
) -> None:
    assert await authenticator.authenticate({b"authorization": value}) is None


MUTATIONS = st.tuples(
    st.sampled_from(["replace", "insert", "delete", "swap", "cut", "repeat"]),
    st.integers(0, len(GOOD) - 1),
    st.integers(0, 255),
)


def mutated(token: bytes, mutation: tuple[str, int, int]) -> bytes:
    kind, position, byte = mutation
    before, after = token[:position], token[position:]
    match kind:
        case "replace":
            return before + bytes([byte]) + after[1:]
        case "insert":
            return before + bytes([byte]) + after
        case "delete":
            return before + after[1 + byte % 8 :]
        case "swap":
            return before + after[1:2] + after[:1] + after[2:]
        case "cut":
            return before
        case _:
            return token + after


@settings(max_examples=1000, deadline=None)
@given(st.lists(MUTATIONS, min_size=1, max_size=4))
async def test_a_mutated_token_never_authenticates(
    mutations: list[tuple[str, int, int]],
) -> None:
    token = GOOD
    for mutation in mutations:
        token = mutated(token, mutation)
    if token == GOOD:
        return
    with pytest.raises(UnauthorizedError, match=MESSAGE):
        await ask(new_authenticator(), token)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
TIMES = st.integers(NOW - 2 * DAY, NOW + 2 * DAY) | st.floats() | JSON
ANY_CLAIMS = st.fixed_dictionaries(
    {},
    optional={
        "sub": st.sampled_from(["alice", "", "a b"]) | JSON,
        "exp": TIMES,
        "iat": TIMES,
        "nbf": TIMES,
        "aud": JSON,
        "aegis_kind": st.sampled_from(["human", "service"]) | JSON,
        "aegis_groups": st.lists(st.sampled_from(["admins", "x"]), max_size=2) | JSON,
    },
)
ANY_HEADER = st.fixed_dictionaries(
    {"alg": st.sampled_from(["HS256", "none"]) | JSON},
    optional={"typ": st.just("JWT") | JSON, "kid": JSON, "crit": JSON, "b64": JSON, "jwk": JSON},
)


@settings(max_examples=1000, deadline=None)
@given(header=ANY_HEADER | st.just(HEADER), claims=ANY_CLAIMS | st.just(CLAIMS))
async def test_what_we_accept_the_library_accepts_too_whatever_a_signed_token_says(
    header: dict[str, Any], claims: dict[str, Any]
) -> None:
    token = forge(header, claims)
    try:
        authenticated = await ask(new_authenticator(), token)
    except UnauthorizedError:
        return
    assert authenticated is not None
    if isinstance(header.get("kid", ""), str):
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
        decoded = jwt.decode(token, SECRET, algorithms=["HS256"], options=options)
        assert decoded["sub"] == authenticated.principal.subject


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200), st.booleans())
async def test_signed_bytes_that_are_no_claims_are_refused(payload: bytes, as_header: bool) -> None:
    token = forge(header=payload) if as_header else forge(claims=payload)
    with pytest.raises(UnauthorizedError, match=MESSAGE):
        await ask(new_authenticator(), token)


def new_authenticator() -> HmacAuthenticator:
    return HmacAuthenticator(HmacSettings(secret=Secret(SECRET)), ManualClock(float(NOW)))
