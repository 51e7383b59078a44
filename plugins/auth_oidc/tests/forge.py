"""Keys and tokens as an attacker, or a careless issuer, would make them: signed rightly, whatever they say."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import Algorithm, ECAlgorithm, OKPAlgorithm, RSAAlgorithm

NOW = 1_778_289_825
AUDIENCE = "aegis"

RS256 = RSAAlgorithm(RSAAlgorithm.SHA256)
IMPLEMENTATIONS: dict[str, Algorithm] = {
    "RS256": RS256,
    "RS512": RSAAlgorithm(RSAAlgorithm.SHA512),
    "ES256": ECAlgorithm(ECAlgorithm.SHA256),
    "EdDSA": OKPAlgorithm(),
}
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
STRANGER = ec.generate_private_key(ec.SECP256R1())
PRIVATE: dict[str, Any] = {"RS256": RSA, "RS512": RSA, "ES256": EC, "EdDSA": ED}


def jwk(algorithm: str, private: Any, **more: Any) -> dict[str, Any]:
    """Return the public half as an issuer publishes it."""
    public: dict[str, Any] = IMPLEMENTATIONS[algorithm].to_jwk(private.public_key(), as_dict=True)
    public.pop("key_ops", None)
    return public | more


JWKS = {
    "keys": [
        jwk("RS256", RSA, kid="rsa", alg="RS256", use="sig"),
        jwk("ES256", EC, kid="ec", use="sig"),
        jwk("EdDSA", ED, kid="ed", alg="EdDSA"),
    ]
}


def b64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def as_json(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()


def sign(signed: bytes, algorithm: str = "ES256", private: Any = None) -> bytes:
    signature = IMPLEMENTATIONS[algorithm].sign(signed, private or PRIVATE[algorithm])
    return signed + b"." + b64(signature)


def forge(header: Any, claims: Any, algorithm: str = "ES256", private: Any = None) -> bytes:
    signed = b64(as_json(header)) + b"." + b64(as_json(claims))
    return sign(signed, algorithm, private)
