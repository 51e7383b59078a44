"""Tokens that are refused, each one step away from a good one, and why; and their neighbours."""

from __future__ import annotations

import hashlib
import json

from .forge import (
    ALG,
    CANON,
    CLAIMS,
    CLAIMS_JSON,
    DAY,
    EXP,
    GOOD,
    HEADER,
    HEADER_JSON,
    HEADER_PART,
    LEEWAY,
    LONG,
    NOW,
    PAYLOAD_PART,
    PUBLIC_PEM,
    SECRET,
    SHAPE,
    SIGNATURE,
    SIGNATURE_PART,
    SUB,
    as_json,
    b64,
    forge,
    of_key_pair,
    raw_claims,
    sign,
    unsigned,
    with_claims,
    with_header,
    with_unused_bits,
    without,
)

REFUSED: dict[str, tuple[bytes, str]] = {
    # the algorithm
    "alg none, no signature": (unsigned("none"), SHAPE),
    "alg none, a signature of zeros": (unsigned("none", b"A" * 43), ALG),
    **{f"alg {alg}": (with_header(alg=alg), ALG) for alg in ("none", "None", "NONE", "nOnE", "")},
    **{f"alg {alg}": (with_header(alg=alg), ALG) for alg in ("hs256", "HS256 ", "HS384", "HS512")},
    **{f"alg {alg}": (with_header(alg=alg), ALG) for alg in ("rs256", "RS1", "RS256 ", "eddsa")},
    **{f"alg {alg}": (with_header(alg=alg), ALG) for alg in ("dir", "A256KW", "RSA1_5", "НS256")},
    **{f"alg {alg}, no signature": (unsigned(alg), SHAPE) for alg in ("None", "HS256", "RS256")},
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
    "signature cut short": (GOOD[:-4], CANON),
    "signature of 31 bytes": (GOOD.rpartition(b".")[0] + b"." + b"A" * 42, SIGNATURE),
    "signature of 30 bytes": (GOOD.rpartition(b".")[0] + b"." + b"A" * 40, SIGNATURE),
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
    "a JWS written as JSON": (
        as_json(dict.fromkeys(("protected", "payload", "signature"), "e30")),
        SHAPE,
    ),
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
    "header with the algorithm of a key pair, and then HS256": (
        forge(header=b'{"alg":"RS256","alg":"HS256"}'),
        HEADER_JSON,
    ),
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


KEY_PAIRS = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "ES256K",
    "EdDSA",
    "Ed25519",
    "Ed448",
]

# Another authenticator may know them. With `hmac` alone nobody does.
NOT_MINE: dict[str, bytes] = {
    **{f"{alg} of an issuer": of_key_pair(alg) for alg in KEY_PAIRS},
    "RS256, signed with the secret": with_header(alg="RS256"),
    "RS256, signed with a public key's text": forge({**HEADER, "alg": "RS256"}, CLAIMS, PUBLIC_PEM),
    "ES256 with a signature of zeros": of_key_pair("ES256", b64(bytes(64))),
    "RS256 with an extension": with_header(alg="RS256", crit=["x"], x=1),
    "ES256 of another use": with_header(alg="ES256", typ="aegis-agent+jwt", kid="k.1"),
    "PS256 with claims that are no JSON": forge({**HEADER, "alg": "PS256"}, b"claims"),
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
