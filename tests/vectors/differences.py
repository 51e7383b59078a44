"""Where we differ from a publisher on purpose. A name that no vector needs any more is an error."""

from __future__ import annotations

from collections.abc import Mapping

# Published as valid, presented to our code, and refused by it.
REFUSED: Mapping[str, str] = {
    "hash": "the hash is not one that the key pairs with: SHA-1 and SHA-224 have no algorithm here, "
    "and a curve has one hash of its own strength",
    "pss salt": "a PSS salt is exactly as long as the hash (FIPS 186-5 §5.4 allows shorter ones)",
    "short tag": "GCM tags have 128 bits (SP 800-38D allows down to 32)",
    "signature context": "Ed448 and ML-DSA sign with the empty context",
    "OAEP hash": "OAEP is with SHA-256 and MGF1-SHA-256 only",
    "PKCS #1 v1.5 encryption": "RSA encryption is OAEP; PKCS #1 v1.5 has padding oracles",
    "HPKE AAD": "HPKE is single shot with an empty AAD; every message of these vectors has one, so "
    "that what they show of us is that we do not ignore it",
    "no padding": "RFC 3394 wraps are no RFC 5649 wraps, and there is no format for them",
}

# Our code has no way to be asked: the parameter is a constant of it.
LEFT_OUT: Mapping[str, str] = {
    "curve": "keys are on P-256, P-384, P-521, secp256k1, Ed25519 or Ed448",
    "IV length": "GCM nonces have 96 bits: suite 1 has no room for another",
    "KDF parameters": "the derivation is HMAC-SHA256 in counter mode, a 32-bit counter in front",
    "salt": "HKDF is used without a salt",
    "HPKE seed": "the private key of a hybrid is one seed in these vectors, and a pair of keys here",
    "HPKE suite": "five suites in base mode (docs/algorithms.md); these vectors are of others",
}
