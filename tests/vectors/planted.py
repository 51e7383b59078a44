"""Errors to plant: one change of our own code each, and the tests that must see it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Plant(msgspec.Struct, frozen=True):
    """`before` stands once in `file`; `vectors` are parts of names of published files, or `tests`
    are those of the plugin that must turn red."""

    what: str
    file: str
    before: str
    after: str
    vectors: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


_SUITE = ("plugins/rot_inmemory/tests/test_suite.py",)

PLANTS: Sequence[Plant] = (
    Plant(
        "a PSS salt of any length",
        "signing.py",
        "salt_length=hashing.digest_size",
        "salt_length=padding.PSS.AUTO",
        vectors=("SigVerPSS",),
    ),
    Plant(
        "a PSS salt that is a byte short",
        "signing.py",
        "salt_length=hashing.digest_size",
        "salt_length=hashing.digest_size - 1",
        vectors=("SigVerPSS",),
    ),
    Plant(
        "a signature that does not verify, taken",
        "signing.py",
        "except InvalidSignature:\n            return False",
        "except InvalidSignature:\n            return True",
        vectors=("FIPS_186-3/SigVer",),
    ),
    Plant(
        "another hash for a curve",
        "signing.py",
        "(ec.ECDSA(SHA384()),)",
        "(ec.ECDSA(SHA256()),)",
        vectors=("FIPS_186-3/SigVer",),
    ),
    Plant(
        "no length check of P1363",
        "ecdsa.py",
        "if len(signature) != 2 * size:",
        "if len(signature) < size:",
        vectors=("FIPS_186-3/SigVer",),
    ),
    Plant(
        "r and s the other way round",
        "ecdsa.py",
        "encode_dss_signature(r, s)",
        "encode_dss_signature(s, r)",
        vectors=("FIPS_186-3/SigVer",),
    ),
    Plant(
        "a flipped compare of a MAC",
        "mac_key.py",
        "return hmac.compare_digest(",
        "return not hmac.compare_digest(",
        vectors=("HMAC",),
    ),
    Plant(
        "a compare of as much of a MAC as was given",
        "mac_key.py",
        "hmac.compare_digest(hmac.digest(self._key.reveal(), message, self._hash), mac)",
        "hmac.compare_digest(hmac.digest(self._key.reveal(), message, self._hash)[:len(mac)], mac)",
        vectors=("HMAC",),
    ),
    Plant(
        "GCM without its AAD",
        "symmetric.py",
        ".decrypt(nonce, ciphertext, aad)",
        ".decrypt(nonce, ciphertext, None)",
        vectors=("gcmDecrypt128",),
    ),
    Plant(
        "a counter of two bytes",
        "kdf.py",
        "_COUNTER_BYTES = 4",
        "_COUNTER_BYTES = 2",
        vectors=("KBKDF",),
    ),
    Plant(
        "HKDF without its info",
        "agreement.py",
        "length_bytes, None, info)",
        'length_bytes, None, b"")',
        vectors=("ZZOnly_init", "rfc-5869"),
    ),
    Plant(
        "OAEP without its label",
        "encryption.py",
        "padding.OAEP(padding.MGF1(SHA256()), SHA256(), label)",
        "padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)",
        vectors=("oaep-sha256-sha256",),
    ),
    Plant(
        "a commitment that is not compared",
        "suite.py",
        "if not compare_digest(commitment, body[_COMMITMENT:_TAG]):",
        "if False:",
        tests=_SUITE,
    ),
    Plant(
        "a context tag that is not compared",
        "suite.py",
        "if not compare_digest(_context_tag(key, salt, header, context), tag):",
        "if False:",
        tests=_SUITE,
    ),
    Plant(
        "reserved bytes that are not checked",
        "suite.py",
        "if any(body[_ZEROS:_CIPHERTEXT]):",
        "if False:",
        tests=_SUITE,
    ),
    Plant(
        "no length check of a wrapped key",
        "suite.py",
        "if not WRAP_LEAST_BYTES <= len(key_bytes) <= WRAP_MOST_BYTES:",
        "if False:",
        tests=_SUITE,
    ),
)
