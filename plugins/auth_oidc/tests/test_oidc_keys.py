"""Which keys of a set are believed, and which are left out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aegis_auth_oidc.keys import ALGORITHMS, parse_keys
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from .forge import EC, ED, JWKS, RSA, jwk

GOOD_RSA = jwk("RS256", RSA, kid="rsa")
GOOD_EC = jwk("ES256", EC, kid="ec")
GOOD_ED = jwk("EdDSA", ED, kid="ed")
WEAK = rsa.generate_private_key(65537, 1024)
P384 = ec.generate_private_key(ec.SECP384R1())
K1 = ec.generate_private_key(ec.SECP256K1())

LEFT_OUT: dict[str, Any] = {
    "RSA of 1024 bits": jwk("RS256", WEAK, kid="rsa"),
    "RSA of 16384 bits": GOOD_RSA | {"n": "_" * 2730 + "8"},
    "RSA with the exponent 1": GOOD_RSA | {"e": "AQ"},
    "RSA with an even exponent": GOOD_RSA | {"e": "AQAA"},
    "RSA with an exponent of 5 bytes": GOOD_RSA | {"e": "AQAAAAE"},
    "RSA without n": {k: v for k, v in GOOD_RSA.items() if k != "n"},
    "RSA with padding": GOOD_RSA | {"e": "AQAB===="},
    "RSA with a number for n": GOOD_RSA | {"n": 7},
    "RSA for RS512": GOOD_RSA | {"alg": "RS512"},
    "RSA for PS256": GOOD_RSA | {"alg": "PS256"},
    "RSA for HS256": GOOD_RSA | {"alg": "HS256"},
    "RSA to encrypt": GOOD_RSA | {"use": "enc"},
    "RSA of another use": GOOD_RSA | {"use": None},
    "RSA that does not verify": GOOD_RSA | {"key_ops": ["encrypt"]},
    "RSA with its private half": json.loads(RSAAlgorithm.to_jwk(RSA)) | {"key_ops": ["verify"]},
    "EC with its private half": json.loads(ECAlgorithm.to_jwk(EC)),
    "a secret": {"kty": "oct", "k": "c2VjcmV0", "kid": "ec", "alg": "HS256"},
    "a secret in a public key": GOOD_EC | {"k": "c2VjcmV0"},
    "P-384": jwk("ES256", P384, kid="ec"),
    "secp256k1": jwk("ES256", K1, kid="ec"),
    "a point that is not on the curve": GOOD_EC | {"y": GOOD_EC["x"]},
    "a short coordinate": GOOD_EC | {"x": "AQ"},
    "Ed448": GOOD_ED | {"crv": "Ed448"},
    "Ed25519 of 31 bytes": GOOD_ED | {"x": "A" * 41 + "A"},
    "X25519": GOOD_ED | {"crv": "X25519"},
    "RSA with a curve": GOOD_RSA | {"crv": "P-256"},
    "kty a list": GOOD_EC | {"kty": ["EC"]},
    "kid a number": GOOD_EC | {"kid": 1},
    "kid of 257 characters": GOOD_EC | {"kid": "k" * 257},
    "no object": "key",
    "null": None,
}


def keys_of(*entries: Any, algorithms: tuple[str, ...] = ALGORITHMS) -> Any:
    return parse_keys(json.dumps({"keys": entries}).encode(), algorithms)


@pytest.mark.parametrize("entry", LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_bad_key_is_left_out_and_the_others_still_count(entry: Any) -> None:
    beside = jwk("EdDSA", ED, kid="beside")
    assert len(keys_of(entry, beside)) == 1
    with pytest.raises(ValueError, match="it has no key for RS256, ES256, EdDSA"):
        keys_of(entry)


def test_good_keys_are_found_by_name_and_algorithm_together() -> None:
    keys = keys_of(*JWKS["keys"])
    assert len(keys) == 3
    for kid, algorithm in (("rsa", "RS256"), ("ec", "ES256"), ("ed", "EdDSA")):
        assert keys.find(kid, algorithm) is not None
        for other in set(ALGORITHMS) - {algorithm}:
            assert keys.find(kid, other) is None


def test_a_token_without_a_name_is_the_only_keys_of_its_algorithm_or_nobodys() -> None:
    assert keys_of(GOOD_RSA, GOOD_EC).find(None, "ES256") is not None
    assert keys_of(GOOD_EC, GOOD_EC | {"kid": "two"}).find(None, "ES256") is None
    assert keys_of(GOOD_RSA).find(None, "ES256") is None


def test_an_algorithm_that_is_not_allowed_has_no_keys() -> None:
    assert len(keys_of(*JWKS["keys"], algorithms=("ES256",))) == 1
