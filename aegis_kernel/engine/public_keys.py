"""Public keys in the two spellings that the world reads: PEM and JWK.

Every root of trust answers with DER; it is parsed here, once, by the library that knows how.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

# RFC 7518 §6.2.1.1 and RFC 8812 §3.1, with the length of a coordinate in bytes.
_CURVES: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "secp256r1": ("P-256", 32),
        "secp384r1": ("P-384", 48),
        "secp521r1": ("P-521", 66),
        "secp256k1": ("secp256k1", 32),
    }
)


class Jwk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A public JSON Web Key (RFC 7517 §4); members that its type does not have are left out."""

    kty: str
    kid: str
    use: str | None = None
    crv: str | None = None
    n: str | None = None
    e: str | None = None
    x: str | None = None
    y: str | None = None


def pem(der: bytes) -> str:
    """Return a DER SubjectPublicKeyInfo as PEM (RFC 7468 §13)."""
    text = base64.b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


def jwk(der: bytes, kid: str) -> Jwk | None:
    """Return a DER SubjectPublicKeyInfo as a JWK, or None for a kind that JOSE has no name for."""
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return Jwk(kty="RSA", kid=kid, n=_number(numbers.n), e=_number(numbers.e))
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _ec(key, kid)
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        name = "Ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else "Ed448"
        return Jwk(kty="OKP", kid=kid, use="sig", crv=name, x=_text(raw))
    return None


def _ec(key: ec.EllipticCurvePublicKey, kid: str) -> Jwk | None:
    known = _CURVES.get(key.curve.name)
    if known is None:
        return None
    name, size = known
    numbers = key.public_numbers()
    x, y = numbers.x.to_bytes(size, "big"), numbers.y.to_bytes(size, "big")
    return Jwk(kty="EC", kid=kid, crv=name, x=_text(x), y=_text(y))


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
