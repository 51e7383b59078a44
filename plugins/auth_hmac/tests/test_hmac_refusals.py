"""Every way in which a bearer token is refused, each one step away from a good token."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from aegis_auth_hmac import HmacAuthenticator, HmacSettings
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis_kernel import Authenticated, PrincipalKind, Secret, UnauthorizedError
from aegis_kernel.testing.doubles import ManualClock

SECRET = b"one secret for the tests, never for a server"
PUBLIC_PEM = (
    b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n"
)
NOW = 1_778_289_825
LEEWAY = 30
DAY = 24 * 3600
MESSAGE = "Invalid bearer token"

HEADER = {"alg": "HS256", "typ": "JWT"}
CLAIMS = {
    "sub": "alice",
    "iat": NOW,
    "exp": NOW + 3600,
    "aegis_kind": "human",
    "aegis_groups": ["admins"],
}


def b64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def as_json(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()


def sign(signed: bytes, secret: bytes = SECRET, digest: Any = hashlib.sha256) -> bytes:
    return b".".join((signed, b64(hmac.new(secret, signed, digest).digest())))


def forge(header: Any = HEADER, claims: Any = CLAIMS, secret: bytes = SECRET) -> bytes:
    """Return a token that is signed rightly, whatever it says."""
    return sign(b64(as_json(header)) + b"." + b64(as_json(claims)), secret)


def with_header(**changes: Any) -> bytes:
    return forge(header={**HEADER, **changes})


def with_claims(**changes: Any) -> bytes:
    return forge(claims={**CLAIMS, **changes})


def without(*names: str) -> bytes:
    return forge(claims={name: value for name, value in CLAIMS.items() if name not in names})


def raw_claims(before: str = "", after: str = "") -> bytes:
    """Return a token whose claims have members that `json.dumps` would not write."""
    return forge(claims=f"{{{before}{as_json(CLAIMS)[1:-1].decode()}{after}}}".encode())


def unsigned(alg: str, signature: bytes = b"") -> bytes:
    return b".".join((b64(as_json({**HEADER, "alg": alg})), b64(as_json(CLAIMS)), signature))


def with_unused_bits(token: bytes) -> bytes:
    """Return the token with another last character that decodes to the same bytes."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + bytes([alphabet[alphabet.index(token[-1]) ^ 1]])


GOOD = forge()
HEADER_PART, PAYLOAD_PART, SIGNATURE_PART = GOOD.split(b".")
STANDARD_BASE64 = base64.b64encode(hmac.new(SECRET, b"x", hashlib.sha256).digest())

SHAPE = "token is not three parts of base64url"
CANON = "token is not canonical base64url"
ALG = "algorithm is not HS256"
SIGNATURE = "signature does not match"
HEADER_JSON = "header is not a JSON object"
CLAIMS_JSON = "claims is not a JSON object"
SUB = "sub is not a subject"
EXP = "exp is not a time"
LONG = "lives too long"

REFUSED: dict[str, tuple[bytes, str]] = {
    # the algorithm
    "alg none, no signature": (unsigned("none"), SHAPE),
    "alg none, a signature of zeros": (unsigned("none", b"A" * 43), ALG),
    **{f"alg {alg}": (with_header(alg=alg), ALG) for alg in ("none", "None", "NONE", "nOnE", "")},
    **{f"alg {alg}": (with_header(alg=alg), ALG) for alg in ("hs256", "HS256 ", "HS384", "HS512")},
    "alg missing": (forge(header={"typ": "JWT"}), ALG),
    "alg null": (with_header(alg=None), ALG),
    "alg a list": (with_header(alg=["HS256"]), ALG),
    "alg an object": (with_header(alg={"HS256": 1}), ALG),
    "HS512 signature": (sign(HEADER_PART + b"." + PAYLOAD_PART, digest=hashlib.sha512), SIGNATURE),
    # the key
    "another key": (forge(secret=b"another secret, as long as the right one"), SIGNATURE),
    "blank password": (forge(secret=b""), SIGNATURE),
    "a NUL as password": (forge(secret=b"\x00"), SIGNATURE),
    "the secret cut short": (forge(secret=SECRET[:-1]), SIGNATURE),
    "RS/HS confusion: signed with a public key's text": (forge(secret=PUBLIC_PEM), SIGNATURE),
    "kid names an empty file": (
        forge(header={**HEADER, "kid": "../../../../dev/null"}, secret=b""),
        SIGNATURE,
    ),
    "kid injects SQL": (
        forge(header={**HEADER, "kid": "x' UNION SELECT 'k';--"}, secret=b"k"),
        SIGNATURE,
    ),
    "jwk brings its own key": (
        forge(header={**HEADER, "jwk": {"kty": "oct", "k": "a2V5"}}, secret=b"key"),
        SIGNATURE,
    ),
    "jku names somebody else's keys": (
        forge(header={**HEADER, "jku": "https://evil.example/jwks"}, secret=b"key"),
        SIGNATURE,
    ),
    "x5u and x5c bring a certificate": (
        forge(header={**HEADER, "x5u": "https://evil.example/c", "x5c": ["MIIB"]}, secret=b"key"),
        SIGNATURE,
    ),
    # the signature
    "null signature": (HEADER_PART + b"." + PAYLOAD_PART + b".", SHAPE),
    "signature of zero bytes": (HEADER_PART + b"." + PAYLOAD_PART + b"." + b"A" * 43, SIGNATURE),
    "signature cut short": (GOOD[:-3], SIGNATURE),
    "signature too long": (GOOD + b"AAAA", SIGNATURE),
    "signature of another token": (
        HEADER_PART + b"." + PAYLOAD_PART + b"." + with_claims(sub="bob").split(b".")[2],
        SIGNATURE,
    ),
    "claims exchanged": (
        HEADER_PART + b"." + b64(as_json({**CLAIMS, "sub": "root"})) + b"." + SIGNATURE_PART,
        SIGNATURE,
    ),
    # the shape
    "empty token": (b"", SHAPE),
    "only dots": (b"..", SHAPE),
    "not a token": (b"alice", SHAPE),
    "two parts": (HEADER_PART + b"." + SIGNATURE_PART, SHAPE),
    "an extra part": (GOOD + b".e30", SHAPE),
    "a trailing dot": (GOOD + b".", SHAPE),
    "a leading dot": (b"." + GOOD, SHAPE),
    "five parts, as an encrypted token has": (b".".join([b"e30"] * 5), SHAPE),
    "padding behind the signature": (GOOD + b"=", SHAPE),
    "padding in the header": (sign(b64(as_json(HEADER)) + b"=." + PAYLOAD_PART), SHAPE),
    "padding in the payload": (sign(HEADER_PART + b"." + PAYLOAD_PART + b"="), SHAPE),
    "unused bits set in the signature": (with_unused_bits(GOOD), CANON),
    "unused bits set in the payload": (sign(HEADER_PART + b"." + b64(b"{}")[:-1] + b"1"), CANON),
    "a part of 4n+1 characters": (sign(HEADER_PART + b".AAAAA"), CANON),
    "the standard alphabet": (sign(HEADER_PART + b"." + b"ab+/"), SHAPE),
    "a space before the token": (b" " + GOOD, SHAPE),
    "a space behind the token": (GOOD + b" ", SHAPE),
    "a space in the payload": (sign(HEADER_PART + b"." + PAYLOAD_PART[:4] + b" A"), SHAPE),
    "a newline behind the token": (GOOD + b"\n", SHAPE),
    "a NUL in the token": (GOOD[:9] + b"\x00" + GOOD[10:], SHAPE),
    "two tokens": (GOOD + b", " + GOOD, SHAPE),
    "one byte beyond 8 KiB": (
        with_claims(x="").ljust(8 * 1024 + 1, b"A"),
        "token longer than 8192 bytes",
    ),
    "1 MiB": (with_claims(x="x" * 1024 * 1024), "token longer than 8192 bytes"),
    "a header beyond 1 KiB": (with_header(x="x" * 800), SHAPE),
    # the header
    "header not JSON": (forge(header=b"alg=HS256"), HEADER_JSON),
    "header a list": (forge(header=[HEADER]), HEADER_JSON),
    "header with two algs": (forge(header=b'{"alg":"none","alg":"HS256"}'), HEADER_JSON),
    "header nested deeply": (forge(header=b'{"alg":"HS256","x":' + b"[" * 740), HEADER_JSON),
    "header not UTF-8": (forge(header=b'{"alg":"HS256","x":"\xff"}'), HEADER_JSON),
    "header in UTF-16": (forge(header=json.dumps(HEADER).encode("utf-16")), HEADER_JSON),
    "header behind a byte order mark": (
        forge(header=b"\xef\xbb\xbf" + as_json(HEADER)),
        HEADER_JSON,
    ),
    "crit": (with_header(crit=["exp"], exp=NOW), "header has an extension"),
    "crit, empty": (with_header(crit=[]), "header has an extension"),
    "payload not encoded (b64)": (with_header(b64=False), "header has an extension"),
    "b64 with crit": (with_header(b64=False, crit=["b64"]), "header has an extension"),
    "typ of another use": (with_header(typ="dpop+jwt"), "typ is not JWT"),
    "typ JWE": (with_header(typ="JWE"), "typ is not JWT"),
    "typ a list": (with_header(typ=["JWT"]), "typ is not JWT"),
    "typ null": (with_header(typ=None), "typ is not JWT"),
    # the claims as JSON
    "claims empty": (forge(claims=b"  "), CLAIMS_JSON),
    "claims a list": (forge(claims=[CLAIMS]), CLAIMS_JSON),
    "claims a string": (forge(claims=b'"alice"'), CLAIMS_JSON),
    "claims null": (forge(claims=b"null"), CLAIMS_JSON),
    "nested JWT": (forge(header={**HEADER, "cty": "JWT"}, claims=GOOD), CLAIMS_JSON),
    "claims cut short": (forge(claims=as_json(CLAIMS)[:-1]), CLAIMS_JSON),
    "claims with something behind": (forge(claims=as_json(CLAIMS) + b"{}"), CLAIMS_JSON),
    "claims nested deeply": (raw_claims(after=',"x":' + "[" * 5500), CLAIMS_JSON),
    "claims not UTF-8": (forge(claims=as_json(CLAIMS).replace(b"alice", b"al\xffce")), CLAIMS_JSON),
    "claims with an encoded surrogate": (
        forge(claims=as_json(CLAIMS).replace(b"alice", b"al\xed\xa0\x80ce")),
        CLAIMS_JSON,
    ),
    "a raw NUL in sub": (forge(claims=as_json(CLAIMS).replace(b"alice", b"al\x00ce")), CLAIMS_JSON),
    "two subs, the last wins": (raw_claims(after=',"sub":"root"'), CLAIMS_JSON),
    "two subs, the first wins": (raw_claims(before='"sub":"root",'), CLAIMS_JSON),
    "two exps": (raw_claims(after=f',"exp":{NOW + 60}'), CLAIMS_JSON),
    "two members deep inside": (raw_claims(after=',"x":[{"a":1,"a":2}]'), CLAIMS_JSON),
    "a number of 5000 digits": (raw_claims(after=',"x":' + "9" * 5000), CLAIMS_JSON),
    "NaN beside the claims": (raw_claims(after=',"x":NaN'), CLAIMS_JSON),
    # sub
    "no sub": (without("sub"), SUB),
    "sub null": (with_claims(sub=None), SUB),
    "sub empty": (with_claims(sub=""), SUB),
    "sub a number": (with_claims(sub=7), SUB),
    "sub a list": (with_claims(sub=["alice"]), SUB),
    "sub an object": (with_claims(sub={"alice": 1}), SUB),
    "sub with a NUL": (with_claims(sub="alice\x00root"), SUB),
    "sub with a lone surrogate": (with_claims(sub="alice\ud800"), SUB),
    "sub with a space": (with_claims(sub="alice "), SUB),
    "sub with a newline": (with_claims(sub="alice\n"), SUB),
    "sub not ASCII": (with_claims(sub="аlice"), SUB),
    "sub of 257 characters": (with_claims(sub="a" * 257), SUB),
    # exp
    "no exp": (without("exp"), EXP),
    "exp null": (with_claims(exp=None), EXP),
    "exp a string": (with_claims(exp=str(NOW + 60)), EXP),
    "exp true": (with_claims(exp=True), EXP),
    "exp a list": (with_claims(exp=[NOW + 60]), EXP),
    "exp negative": (with_claims(exp=-1), EXP),
    "exp NaN": (with_claims(exp=float("nan")), CLAIMS_JSON),
    "exp Infinity": (with_claims(exp=float("inf")), CLAIMS_JSON),
    "exp -Infinity": (with_claims(exp=float("-inf")), CLAIMS_JSON),
    "exp 1e999": (forge(claims=as_json(CLAIMS).replace(str(NOW + 3600).encode(), b"1e999")), EXP),
    "exp in the year 300000": (with_claims(exp=9_404_933_760_000), EXP),
    "exp in the year 300000, no iat": (
        forge(claims={"sub": "alice", "exp": 9_404_933_760_000}),
        EXP,
    ),
    "exp of 400 digits": (with_claims(exp=10**400), EXP),
    "exp zero": (with_claims(exp=0, iat=0), "expired"),
    "expired by the leeway": (with_claims(exp=NOW - LEEWAY, iat=NOW - 60), "expired"),
    "expired by 1 s beyond the leeway": (
        with_claims(exp=NOW - LEEWAY - 1, iat=NOW - 60),
        "expired",
    ),
    # nbf, iat and the length of life
    "nbf beyond the leeway": (with_claims(nbf=NOW + LEEWAY + 1), "not yet valid"),
    "nbf a string": (with_claims(nbf=str(NOW)), "nbf is not a time"),
    "nbf null": (with_claims(nbf=None), "nbf is not a time"),
    "nbf true": (with_claims(nbf=True), "nbf is not a time"),
    "iat beyond the leeway": (with_claims(iat=NOW + LEEWAY + 1), "issued in the future"),
    "iat a string": (with_claims(iat=str(NOW)), "iat is not a time"),
    "iat null": (with_claims(iat=None), "iat is not a time"),
    "iat of 400 digits": (with_claims(iat=10**400), "iat is not a time"),
    "a life of a second too long": (with_claims(exp=NOW + DAY + 1), LONG),
    "a long life, almost over": (with_claims(iat=NOW - DAY, exp=NOW + 1), LONG),
    "a long life without iat": (
        forge(claims={"sub": "alice", "exp": NOW + DAY + 1}),
        LONG,
    ),
    # who it is for, and who it is
    "aud of another service": (with_claims(aud="billing"), "aud names another service"),
    "aud a list": (with_claims(aud=["billing"]), "aud names another service"),
    "aud null": (with_claims(aud=None), "aud names another service"),
    **{
        f"aegis_kind {kind!r}": (
            with_claims(aegis_kind=kind),
            "aegis_kind is not human or service",
        )
        for kind in ("agent", "Human", "unknown", "", None, 1, ["human"], {"human": 1})
    },
    **{
        f"aegis_groups {name}": (
            with_claims(aegis_groups=groups),
            "aegis_groups is not a list of at most 64",
        )
        for name, groups in (
            ("a string", "admins"),
            ("null", None),
            ("an object", {"admins": True}),
            ("of 65", [f"g{number}" for number in range(65)]),
        )
    },
    **{
        f"aegis_groups with {name}": (
            with_claims(aegis_groups=["readers", group]),
            "aegis_groups has something that is not a group",
        )
        for name, group in (
            ("a number", 1),
            ("a list", ["admins"]),
            ("null", None),
            ("an empty name", ""),
            ("a NUL", "a\x00"),
            ("a surrogate", "\udfff"),
        )
    },
}

ACCEPTED: dict[str, bytes] = {
    "the good token": GOOD,
    "typ at+jwt": with_header(typ="at+jwt"),
    "no typ": forge(header={"alg": "HS256"}),
    "a kid that nobody reads": with_header(kid="../../dev/null"),
    "no iat": without("iat"),
    "no kind": without("aegis_kind"),
    "exp with a fraction": with_claims(exp=NOW + 60.5),
    "expired within the leeway": with_claims(exp=NOW - LEEWAY + 1, iat=NOW - 60),
    "nbf within the leeway": with_claims(nbf=NOW + LEEWAY),
    "iat within the leeway": with_claims(iat=NOW + LEEWAY),
    "the longest life": with_claims(exp=NOW + DAY),
    "other claims": with_claims(jti="1", email="alice@example.com", x=[{"a": None}]),
}


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


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS384", "ES256", "ES256K", "EdDSA"])
async def test_a_token_signed_with_a_private_key_is_left_to_others(
    authenticator: HmacAuthenticator, algorithm: str
) -> None:
    """Even one that the secret has signed: its algorithm decides, not what fits."""
    assert await ask(authenticator, with_header(alg=algorithm)) is None
    assert await ask(authenticator, with_header(alg=algorithm) + b"A" * 300) is None


async def test_tokens_of_the_previous_secret_hold_and_no_others() -> None:
    previous, older = Secret(SECRET[::-1]), SECRET[3:] + b"odd"
    section = HmacSettings(secret=Secret(SECRET), secret_previous=previous)
    authenticator = HmacAuthenticator(section, ManualClock(float(NOW)))
    for secret in (SECRET, SECRET[::-1]):
        assert await ask(authenticator, forge(secret=secret)) is not None
    with pytest.raises(UnauthorizedError):
        await ask(authenticator, forge(secret=older))
    issued = authenticator.issue_token("alice", frozenset(), "Human", 60)
    alone = HmacAuthenticator(HmacSettings(secret=Secret(SECRET)), ManualClock(float(NOW)))
    assert await ask(alone, issued.encode()) is not None


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
