"""Our verifiers over keys that a file gives, each made once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from aegis_rot_inmemory.signing import Verifier
from cryptography.hazmat.primitives.asymmetric import rsa

from aegis_kernel import SignatureAlgorithm

RSA_ALGORITHMS = frozenset(a for a in SignatureAlgorithm if a.startswith("Rsa"))


def verifier(public: Any, *algorithms: SignatureAlgorithm) -> Verifier:
    """Return what verifies with `public`."""
    return Verifier(public, frozenset(algorithms))


@lru_cache(maxsize=64)
def rsa_verifier(n: int, e: int) -> Verifier | None:
    """Return what verifies under this modulus, or None where the library takes no such key."""
    try:
        public = rsa.RSAPublicNumbers(e, n).public_key()
    except ValueError:
        return None
    return verifier(public, *RSA_ALGORITHMS)


@lru_cache(maxsize=64)
def rsa_private(p: int, q: int, e: int) -> rsa.RSAPrivateKey:
    """Return the private key of two primes; the library fills in the rest."""
    d = rsa.rsa_recover_private_exponent(e, p, q)
    return rsa.RSAPrivateNumbers(
        p,
        q,
        d,
        rsa.rsa_crt_dmp1(d, p),
        rsa.rsa_crt_dmq1(d, q),
        rsa.rsa_crt_iqmp(p, q),
        rsa.RSAPublicNumbers(e, p * q),
    ).private_key(unsafe_skip_rsa_key_validation=True)
