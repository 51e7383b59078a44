"""Makes tokens by hand: rightly signed, whatever they say, and others."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

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

SHAPE = "token is not three parts of base64url"
CANON = "token is not canonical base64url"
ALG = "algorithm is not HS256"
SIGNATURE = "signature does not match"
HEADER_JSON = "header is not a JSON object"
CLAIMS_JSON = "claims is not a JSON object"
SUB = "sub is not a subject"
EXP = "exp is not a time"
LONG = "lives too long"


def of_key_pair(alg: str, signature: bytes = b"A" * 342) -> bytes:
    """Return a well-formed token that says it is signed by a key pair."""
    return b".".join((b64(as_json({**HEADER, "alg": alg})), PAYLOAD_PART, signature))
