"""A program: is this a sound key of that kind? Run in a process of its own, it imports nothing of ours.

    python -I checking.py private|public KIND < DER > DER

KIND is a word of `KINDS`, such as RSA-2048 or P-256. Exit 0 writes the key in its one canonical form,
PKCS #8 (RFC 5958) or SubjectPublicKeyInfo (RFC 5280 §4.1); exit 3 writes what is wrong with it.

Validating an RSA key holds every thread of a process for 32 to 235 ms, and a hostile one for longer.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from resource import RLIMIT_CORE, RLIMIT_CPU, setrlimit
from typing import Any, NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, mlkem, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

NOT_SOUND = 3
MOST_BYTES = 8192
_CPU_SECONDS = 10

# The library's types of the private and of the public key, then its name of the curve or the size.
KINDS: Mapping[str, tuple[type[Any], type[Any], str | int | None]] = {
    **{f"RSA-{bits}": (rsa.RSAPrivateKey, rsa.RSAPublicKey, bits) for bits in (2048, 3072, 4096)},
    "P-256": (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey, "secp256r1"),
    "P-384": (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey, "secp384r1"),
    "P-521": (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey, "secp521r1"),
    "secp256k1": (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey, "secp256k1"),
    "Ed25519": (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey, None),
    "Ed448": (ed448.Ed448PrivateKey, ed448.Ed448PublicKey, None),
    "ML-DSA-44": (mldsa.MLDSA44PrivateKey, mldsa.MLDSA44PublicKey, None),
    "ML-DSA-65": (mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey, None),
    "ML-DSA-87": (mldsa.MLDSA87PrivateKey, mldsa.MLDSA87PublicKey, None),
    "ML-KEM-768": (mlkem.MLKEM768PrivateKey, mlkem.MLKEM768PublicKey, None),
    "ML-KEM-1024": (mlkem.MLKEM1024PrivateKey, mlkem.MLKEM1024PublicKey, None),
}


class UnsoundError(Exception):
    """What is wrong with a key. Its text goes to whoever brought the key, and shows none of it."""


def canonical_private(der: bytes, kind: str) -> bytes:
    """Return the private key as PKCS #8. Raises UnsoundError unless it is a sound one of `kind`."""
    expected, _, parameter = KINDS[kind]
    try:
        # RSA: OpenSSL tests both primes, n = pq, and d and the CRT values against them. EC: that the
        # scalar is in range and a public key beside it is its own.
        key = load_der_private_key(der, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnsoundError("it is no PKCS #8 private key in DER, or not a valid one") from None
    _require_kind(key, expected, parameter)
    if isinstance(key, rsa.RSAPrivateKey):
        _require_sound_rsa(key.private_numbers(), key.key_size)
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def canonical_public(der: bytes, kind: str) -> bytes:
    """Return the public key as SubjectPublicKeyInfo. Raises UnsoundError unless it is of `kind`."""
    _, expected, parameter = KINDS[kind]
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise UnsoundError("it is no SubjectPublicKeyInfo in DER, or not a valid one") from None
    _require_kind(key, expected, parameter)
    if isinstance(key, rsa.RSAPublicKey):
        _require_sound_exponent(key.public_numbers())
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _require_kind(key: Any, expected: type[Any], parameter: str | int | None) -> None:
    if not isinstance(key, expected):
        raise UnsoundError("it is a key of another algorithm")
    if isinstance(parameter, int) and key.key_size != parameter:
        raise UnsoundError(f"it has {key.key_size} bits")
    if isinstance(parameter, str) and key.curve.name != parameter:
        raise UnsoundError(f"it is on the curve {key.curve.name}")


def _require_sound_rsa(numbers: rsa.RSAPrivateNumbers, size: int) -> None:
    """FIPS 186-5 §A.1.1: what OpenSSL takes, and nobody should."""
    _require_sound_exponent(numbers.public_numbers)
    p, q = numbers.p, numbers.q
    if not p.bit_length() == q.bit_length() == size // 2:
        raise UnsoundError("its primes are not half as long as its modulus")
    if abs(p - q).bit_length() <= size // 2 - 100:
        raise UnsoundError("its primes are too close to each other")
    if numbers.d.bit_length() <= size // 2:
        raise UnsoundError("its private exponent is too small")


def _require_sound_exponent(numbers: rsa.RSAPublicNumbers) -> None:
    if numbers.e < 65537 or numbers.e % 2 == 0 or numbers.e.bit_length() > 256:
        raise UnsoundError("its public exponent is not odd and from 65537 to 2^256 (FIPS 186-5)")
    if numbers.n % 2 == 0:
        raise UnsoundError("its modulus is even")


def main(arguments: list[str]) -> NoReturn:
    """Read a key, write it, and exit."""
    # A key in a core file would be a key on a disk.
    setrlimit(RLIMIT_CORE, (0, 0))
    setrlimit(RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    form, kind = arguments
    canonical = {"private": canonical_private, "public": canonical_public}[form]
    try:
        sys.stdout.buffer.write(canonical(sys.stdin.buffer.read(MOST_BYTES + 1), kind))
    except UnsoundError as error:
        sys.stdout.write(str(error))
        sys.exit(NOT_SOUND)
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
