"""Every way in which a token is refused, each one step away from a good token."""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from typing import Any

import pytest
from aegis_auth_oidc import OidcAuthenticator, OidcSettings
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis_kernel import Authenticated, UnauthorizedError
from aegis_kernel.testing.doubles import ManualClock, ThreadExecutor

from .forge import (
    AUDIENCE,
    EC,
    NOW,
    RSA,
    STRANGER,
    as_json,
    b64,
    forge,
    jwk,
    sign,
)
from .place import Place

ISSUER = "http://127.0.0.1:1/replaced"
HEADER = {"alg": "ES256", "typ": "JWT", "kid": "ec"}
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": NOW, "exp": NOW + 3600}
LEEWAY, DAY = 30, 86_400
MESSAGE = "Invalid bearer token"

SIGNATURE = "signature does not match"
NO_KEY = "the issuer has no such key"
ALG = "algorithm is not one of the issuer's"
CANON = "token is not canonical base64url"
HEADER_JSON = "header is not a JSON object"
CLAIMS_JSON = "claims is not a JSON object"
NOT_ASCII = "the subject is not 1 to 256 visible ASCII characters"
TYP = "typ is not JWT or at+jwt"
GROUPS = "the groups are not a list of at most 256"

Make = Any


def token(header: Any = HEADER, claims: Any = CLAIMS, **how: Any) -> Make:
    """Return what makes the token once the issuer's address is known."""
    return lambda url: forge(header, _of(claims, url), **how)


def with_header(**changes: Any) -> Make:
    return token(header={**HEADER, **changes})


def with_claims(**changes: Any) -> Make:
    return token(claims={**CLAIMS, **changes})


def without(name: str) -> Make:
    return token(claims={each: value for each, value in CLAIMS.items() if each != name})


def raw_claims(before: str = "", after: str = "") -> Make:
    return token(claims=f"{{{before}{as_json(CLAIMS)[1:-1].decode()}{after}}}".encode())


def hs256(secret: bytes, **header: Any) -> Make:
    """Return a token that calls itself by another algorithm, but is signed with HMAC."""

    def make(url: str) -> bytes:
        signed = b64(as_json({**HEADER, **header})) + b"." + b64(as_json(_of(CLAIMS, url)))
        return signed + b"." + b64(hmac.new(secret, signed, hashlib.sha256).digest())

    return make


def cut(change: Any) -> Make:
    return lambda url: change(forge(HEADER, _of(CLAIMS, url)))


def _of(claims: Any, url: str) -> Any:
    if isinstance(claims, bytes):
        return claims.replace(ISSUER.encode(), url.encode())
    if isinstance(claims, dict) and claims.get("iss") == ISSUER:
        return claims | {"iss": url}
    return claims


def set_unused_bits(made: bytes) -> bytes:
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return made[:-1] + bytes([alphabet[alphabet.index(made[-1]) ^ 1]])


def as_der(made: bytes) -> bytes:
    """Spell an ECDSA signature as TLS does, not as JWS does (RFC 7518 §3.4)."""
    signed = made.rpartition(b".")[0]
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    return signed + b"." + b64(EC.sign(signed, ec.ECDSA(hashes.SHA256())))


PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
STRANGERS_JWK = jwk("ES256", STRANGER, kid="ec")

REFUSED: dict[str, tuple[Make, str]] = {
    # the algorithm
    **{
        f"alg {alg!r}": (with_header(alg=alg), ALG)
        for alg in ("none", "None", "nOnE", "", "es256", "ES256 ", "ES384", "RS512", "PS256", None)
    },
    "alg none without a signature": (
        lambda url: b".".join(
            (b64(as_json({**HEADER, "alg": "none"})), b64(as_json(_of(CLAIMS, url))), b"")
        ),
        ALG,
    ),
    "alg a list": (with_header(alg=["ES256"]), ALG),
    "alg missing": (token(header={"kid": "ec"}), ALG),
    "RS/HS confusion: a public key's text as secret": (
        hs256(PEM, alg="RS256", kid="rsa"),
        SIGNATURE,
    ),
    "the name of an RSA key for ES256": (with_header(kid="rsa"), NO_KEY),
    "the name of an EC key for RS256": (with_header(alg="RS256"), NO_KEY),
    "RS512 under the name of RS256": (
        token({**HEADER, "alg": "RS256", "kid": "rsa"}, algorithm="RS512"),
        SIGNATURE,
    ),
    # the key
    "a stranger's key": (token(private=STRANGER), SIGNATURE),
    "a stranger's key, and no kid": (token({"alg": "ES256"}, private=STRANGER), SIGNATURE),
    "kid unknown": (with_header(kid="x"), NO_KEY),
    "kid names a file": (with_header(kid="../../../../dev/null"), NO_KEY),
    "kid injects SQL": (with_header(kid="x' UNION SELECT 'k';--"), NO_KEY),
    "kid of 257 characters": (with_header(kid="k" * 257), "kid is not a short text"),
    "kid a list": (with_header(kid=["ec"]), "kid is not a short text"),
    "jwk brings its own key": (
        token({**HEADER, "jwk": STRANGERS_JWK}, private=STRANGER),
        SIGNATURE,
    ),
    "jku names somebody else's keys": (
        token({**HEADER, "jku": "http://127.0.0.1:9/jwks"}, private=STRANGER),
        SIGNATURE,
    ),
    "x5u and x5c bring a certificate": (
        token({**HEADER, "x5u": "http://127.0.0.1:9/c", "x5c": ["MIIB"]}, private=STRANGER),
        SIGNATURE,
    ),
    # the signature
    "no signature": (cut(lambda made: made.rpartition(b".")[0] + b"."), SIGNATURE),
    **{
        f"{size} bytes as signature for {alg}": (
            lambda url, alg=alg, kid=kid, size=size: (
                forge({"alg": alg, "kid": kid}, _of(CLAIMS, url)).rpartition(b".")[0]
                + b"."
                + b64(bytes(size))
            ),
            SIGNATURE,
        )
        for alg, kid in (("RS256", "rsa"), ("EdDSA", "ed"))
        for size in (0, 1, 64, 256, 700)
    },
    "signature of zeros (CVE-2022-21449)": (
        cut(lambda made: made.rpartition(b".")[0] + b"." + b64(bytes(64))),
        SIGNATURE,
    ),
    "signature in DER": (cut(as_der), SIGNATURE),
    "signature cut short": (cut(lambda made: made[:-6]), SIGNATURE),
    "signature of another token": (
        lambda url: (
            forge(HEADER, _of(CLAIMS, url)).rpartition(b".")[0]
            + b"."
            + forge(HEADER, {**CLAIMS, "sub": "bob"}).rpartition(b".")[2]
        ),
        SIGNATURE,
    ),
    # the shape
    "unused bits set in the signature": (cut(set_unused_bits), CANON),
    "unused bits set in the claims": (
        lambda url: sign(b64(as_json(HEADER)) + b"." + b64(b"{}")[:-1] + b"1"),
        CANON,
    ),
    "one byte beyond 8 KiB": (
        with_claims(x="x" * 6200),
        "token longer than 8192 bytes",
    ),
    "header not JSON": (token(header=b"alg=ES256"), HEADER_JSON),
    "header with two algs": (token(header=b'{"alg":"none","alg":"ES256"}'), HEADER_JSON),
    "header nested deeply": (token(header=b'{"alg":"ES256","x":' + b"[" * 740), HEADER_JSON),
    "crit": (with_header(crit=["exp"]), "header has an extension"),
    "payload not encoded (b64)": (with_header(b64=False), "header has an extension"),
    **{
        f"typ {kind!r}": (with_header(typ=kind), TYP)
        for kind in ("dpop+jwt", "JWE", "logout+jwt", "secevent+jwt", "", None, ["JWT"])
    },
    "claims a list": (token(claims=[CLAIMS]), CLAIMS_JSON),
    "two subs": (raw_claims(after=',"sub":"root"'), CLAIMS_JSON),
    "two issuers": (raw_claims(before='"iss":"aegis",'), CLAIMS_JSON),
    "two members deep inside": (raw_claims(after=',"x":[{"a":1,"a":2}]'), CLAIMS_JSON),
    "a number of 5000 digits": (raw_claims(after=',"x":' + "9" * 5000), CLAIMS_JSON),
    "NaN beside the claims": (raw_claims(after=',"x":NaN'), CLAIMS_JSON),
    "claims nested deeply": (raw_claims(after=',"x":' + "[" * 5500), CLAIMS_JSON),
    # whom it is for
    "no aud": (without("aud"), "aud is not an audience"),
    "aud null": (with_claims(aud=None), "aud is not an audience"),
    "aud empty": (with_claims(aud=[]), "aud is not an audience"),
    "aud with a number": (with_claims(aud=[AUDIENCE, 1]), "aud is not an audience"),
    "aud an object": (with_claims(aud={AUDIENCE: 1}), "aud is not an audience"),
    "aud of 65": (with_claims(aud=[AUDIENCE] * 65), "aud is not an audience"),
    "aud of another": (with_claims(aud="billing"), "aud names another service"),
    "aud ours in capitals": (with_claims(aud=AUDIENCE.upper()), "aud names another service"),
    "bound to a key": (
        with_claims(cnf={"jkt": "x"}),
        "bound to a key that a bearer token does not show",
    ),
    # when
    **{
        f"exp {value!r}": (with_claims(exp=value), "exp is not a time")
        for value in (None, str(NOW), True, [NOW], -1, 9_404_933_760_000, 10**400)
    },
    "no exp": (without("exp"), "exp is not a time"),
    "exp NaN": (with_claims(exp=float("nan")), CLAIMS_JSON),
    "exp 1e999": (
        token(claims=as_json(CLAIMS).replace(str(NOW + 3600).encode(), b"1e999")),
        "exp is not a time",
    ),
    "expired by the leeway": (with_claims(exp=NOW - LEEWAY, iat=NOW - 60), "expired"),
    "nbf beyond the leeway": (with_claims(nbf=NOW + LEEWAY + 1), "not yet valid"),
    "nbf a string": (with_claims(nbf=str(NOW)), "nbf is not a time"),
    "iat beyond the leeway": (with_claims(iat=NOW + LEEWAY + 1), "issued in the future"),
    "iat true": (with_claims(iat=True), "iat is not a time"),
    "a life of a second too long": (with_claims(exp=NOW + DAY + 1), "lives too long"),
    "a long life without iat": (
        token(claims={k: v for k, v in (CLAIMS | {"exp": NOW + DAY + 1}).items() if k != "iat"}),
        "lives too long",
    ),
    # who
    "no sub": (without("sub"), "no subject"),
    **{
        f"sub {value!r}": (with_claims(sub=value), "no subject")
        for value in (None, "", 7, ["alice"], {"alice": 1})
    },
    **{
        f"sub {value[:9]!r}": (with_claims(sub=value), NOT_ASCII)
        for value in ("alice\x00", "alice\ud800", "alice ", "alice\n", "аlice", "a" * 257)
    },
    "sub the kernel's": (with_claims(sub="aegis"), "the subject is somebody else's"),
    "groups an object": (with_claims(groups={"admins": True}), GROUPS),
    "groups a number": (with_claims(groups=1), GROUPS),
    "groups of 257": (with_claims(groups=["g"] * 257), GROUPS),
    "groups with a number": (
        with_claims(groups=["a", 1]),
        "the groups have something that is not a group",
    ),
    "groups elsewhere": (
        with_claims(_claim_names={"groups": "src1"}),
        "the groups are too many to be in the token",
    ),
}

ACCEPTED: dict[str, Make] = {
    "the good token": token(),
    **{
        f"typ {kind}": with_header(typ=kind)
        for kind in ("at+jwt", "application/at+jwt", "AT+JWT", "jwt")
    },
    "no typ and no kid": token(header={"alg": "ES256"}),
    "aud among others": with_claims(aud=["billing", AUDIENCE]),
    "no iat": without("iat"),
    "exp with a fraction": with_claims(exp=NOW + 60.5),
    "expired within the leeway": with_claims(exp=NOW - LEEWAY + 1, iat=NOW - 60),
    "nbf within the leeway": with_claims(nbf=NOW + LEEWAY),
    "the longest life": with_claims(exp=NOW + DAY),
    "keys in the header that nobody reads": with_header(jku="http://127.0.0.1:9/", jwk={}),
}


@pytest.fixture
async def authenticator(here: Place) -> Any:
    settings = OidcSettings(issuer=here.url, audience=(AUDIENCE,))
    authenticator = OidcAuthenticator(settings, ManualClock(float(NOW)), ThreadExecutor())
    await authenticator.open()
    yield authenticator
    await authenticator.aclose()


async def ask(authenticator: OidcAuthenticator, made: bytes) -> Authenticated | None:
    return await authenticator.authenticate({b"authorization": b"Bearer " + made})


@pytest.mark.parametrize(("make", "reason"), REFUSED.values(), ids=REFUSED)
async def test_it_is_refused_with_the_same_words_and_its_own_reason(
    authenticator: OidcAuthenticator, here: Place, make: Make, reason: str
) -> None:
    with pytest.raises(UnauthorizedError) as caught:
        await ask(authenticator, make(here.url))
    assert caught.value.message == MESSAGE
    assert caught.value.reason == reason


@pytest.mark.parametrize("make", ACCEPTED.values(), ids=ACCEPTED)
async def test_it_is_believed(authenticator: OidcAuthenticator, here: Place, make: Make) -> None:
    authenticated = await ask(authenticator, make(here.url))
    assert authenticated is not None
    assert authenticated.principal.subject == "alice"


NOT_OURS: dict[str, Make] = {
    "HS256 under the issuer's name": with_header(alg="HS256"),
    "HS512 of nobody": token({"alg": "HS512"}, {"sub": "alice"}),
    "no iss": without("iss"),
    "iss of another": with_claims(iss="https://elsewhere.example.com"),
    "iss the kernel's": with_claims(iss="aegis"),
    "iss with a slash more": lambda url: forge(HEADER, CLAIMS | {"iss": url + "/"}),
    "iss in capitals": lambda url: forge(HEADER, CLAIMS | {"iss": url.upper()}),
    "iss a list": lambda url: forge(HEADER, CLAIMS | {"iss": [url]}),
    "iss null": with_claims(iss=None),
    "alg none of nobody": token({"alg": "none"}, {"sub": "alice"}),
    "an opaque token": lambda url: b"an-opaque-token",
    "an empty token": lambda url: b"",
    "five parts": lambda url: b".".join([b"e30"] * 5),
    "padding": cut(lambda made: made + b"="),
    "a space behind": cut(lambda made: made + b" "),
    "two tokens": cut(lambda made: made + b", " + made),
}


@pytest.mark.parametrize("make", NOT_OURS.values(), ids=NOT_OURS)
async def test_what_is_plainly_not_of_its_issuers_is_left_to_others(
    authenticator: OidcAuthenticator, here: Place, make: Make
) -> None:
    assert await ask(authenticator, make(here.url)) is None


async def test_no_token_that_fails_before_its_key_makes_a_request(
    authenticator: OidcAuthenticator, here: Place
) -> None:
    asked = len(here.asked)
    for make, reason in REFUSED.values():
        if reason != NO_KEY:
            with pytest.raises(UnauthorizedError):
                await ask(authenticator, make(here.url))
    assert len(here.asked) == asked


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(["alg", "kid", "typ", "jwk", "aud", "sub", "exp", "nbf", "iat", "groups"]),
    value=ANYTHING,
)
async def test_one_member_of_any_kind_is_answered_by_yes_or_no(
    authenticator: OidcAuthenticator, here: Place, name: str, value: Any
) -> None:
    header = {**HEADER, name: value} if name in HEADER or name == "jwk" else HEADER
    claims = CLAIMS | {"iss": here.url} | ({} if header is not HEADER else {name: value})
    with suppress(UnauthorizedError):
        authenticated = await ask(authenticator, forge(header, claims))
        hmac_token = name == "alg" and isinstance(value, str) and value.startswith("HS")
        assert (authenticated is None) is hmac_token
