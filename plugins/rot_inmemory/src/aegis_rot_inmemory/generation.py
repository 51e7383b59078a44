"""New key bytes. All that is random here comes from OpenSSL or the operating system."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, mlkem, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from aegis_kernel import (
    Algorithm,
    BadRequestError,
    Curve,
    KeyPair,
    KeySpec,
    ParameterSet,
    Secret,
    SignatureAlgorithm,
)
from aegis_rot_inmemory.material import KeyBytes

# The specs of the keys that stand beside another one in dev mode, by the one algorithm that each is for.
COMPANIONS: Mapping[SignatureAlgorithm, KeySpec] = {
    SignatureAlgorithm.RSA_PSS_SHA256: KeySpec(
        name="companion", algorithm=Algorithm.RSA, size_bits=2048
    ),
    SignatureAlgorithm.ECDSA_SHA256: KeySpec(
        name="companion", algorithm=Algorithm.EC, curve=Curve.P256
    ),
}

_SYMMETRIC = frozenset({Algorithm.AES, Algorithm.HMAC})
_PUBLIC_EXPONENT = 65537  # FIPS 186-5 §A.1.1

_EC_CURVES: Mapping[Curve, type[ec.EllipticCurve]] = {
    Curve.P256: ec.SECP256R1,
    Curve.P384: ec.SECP384R1,
    Curve.P521: ec.SECP521R1,
    Curve.SECP256K1: ec.SECP256K1,
}

_PARAMETER_SETS: Mapping[ParameterSet, Callable[[], Any]] = {
    ParameterSet.ML_DSA_44: mldsa.MLDSA44PrivateKey.generate,
    ParameterSet.ML_DSA_65: mldsa.MLDSA65PrivateKey.generate,
    ParameterSet.ML_DSA_87: mldsa.MLDSA87PrivateKey.generate,
    ParameterSet.ML_KEM_768: mlkem.MLKEM768PrivateKey.generate,
    ParameterSet.ML_KEM_1024: mlkem.MLKEM1024PrivateKey.generate,
    ParameterSet.ML_KEM_768_X25519: mlkem.MLKEM768PrivateKey.generate,
    ParameterSet.ML_KEM_1024_P384: mlkem.MLKEM1024PrivateKey.generate,
}
_TRADITIONAL: Mapping[ParameterSet, Callable[[], Any]] = {
    ParameterSet.ML_KEM_768_X25519: x25519.X25519PrivateKey.generate,
    ParameterSet.ML_KEM_1024_P384: lambda: ec.generate_private_key(ec.SECP384R1()),
}


def companion_algorithms(spec: KeySpec) -> frozenset[SignatureAlgorithm]:
    """Return the algorithms that dev mode adds to a key of `spec`: those its own key lacks."""
    return frozenset(COMPANIONS) - spec.signature_algorithms


def is_quick(spec: KeySpec, with_companions: bool) -> bool:
    """Return whether a key of `spec` is made in less time than a thread is asked."""
    return spec.algorithm in _SYMMETRIC and not with_companions


def takes_long(spec: KeySpec, with_companions: bool) -> bool:
    """Return whether making a key of `spec` means to search for RSA's primes."""
    return spec.algorithm is Algorithm.RSA or (
        with_companions and SignatureAlgorithm.RSA_PSS_SHA256 in companion_algorithms(spec)
    )


def generate(spec: KeySpec, with_companions: bool) -> KeyBytes:
    """Return new key bytes. Takes up to some seconds (RSA-4096): call it in a thread."""
    companions = companion_algorithms(spec) if with_companions else ()
    return KeyBytes(
        own=_own(spec),
        traditional=_traditional(spec),
        companions={algorithm: _own(COMPANIONS[algorithm]) for algorithm in companions},
    )


def generate_pair(spec: KeySpec) -> KeyPair:
    """Return a key pair that stays nowhere here. RSA-4096 takes some seconds: call it in a thread."""
    private = _private(spec)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return KeyPair(Secret(_pkcs8(private)), public)


def _own(spec: KeySpec) -> bytes:
    if spec.algorithm in _SYMMETRIC:
        assert spec.size_bits is not None  # a KeySpec has a size where it has no curve
        return secrets.token_bytes(spec.size_bits // 8)
    return _pkcs8(_private(spec))


def _private(spec: KeySpec) -> PrivateKeyTypes:
    if spec.curve is not None:
        return _on(spec.curve)
    if spec.parameter_set is not None:
        made: PrivateKeyTypes = _PARAMETER_SETS[spec.parameter_set]()
        return made
    if spec.algorithm is not Algorithm.RSA or spec.size_bits is None:
        raise BadRequestError(f"{spec.algorithm} keys are no pairs")
    return rsa.generate_private_key(_PUBLIC_EXPONENT, spec.size_bits)


def _traditional(spec: KeySpec) -> bytes:
    make = _TRADITIONAL.get(spec.parameter_set) if spec.parameter_set else None
    return _pkcs8(make()) if make else b""


def _on(curve: Curve) -> PrivateKeyTypes:
    if curve is Curve.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    if curve is Curve.ED448:
        return ed448.Ed448PrivateKey.generate()
    return ec.generate_private_key(_EC_CURVES[curve]())


def _pkcs8(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
