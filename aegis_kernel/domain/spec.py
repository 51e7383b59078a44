"""What a key is asked to be: its algorithm, its size or curve, and what that algorithm can do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from aegis_kernel.domain.errors import BadRequestError

NAME_MAX_CHARACTERS = 256


class Algorithm(StrEnum):
    AES = "AES"
    RSA = "RSA"
    EC = "EC"
    EDDSA = "EdDSA"
    HMAC = "HMAC"


class Curve(StrEnum):
    P256 = "P-256"
    P384 = "P-384"
    P521 = "P-521"
    SECP256K1 = "secp256k1"
    ED25519 = "Ed25519"
    ED448 = "Ed448"


class ObjectType(StrEnum):
    """KMIP 2.1 object types that a key here can be."""

    SYMMETRIC_KEY = "SymmetricKey"
    PRIVATE_KEY = "PrivateKey"


class SignatureAlgorithm(StrEnum):
    """RSA-PSS salts are as long as the hash; ECDSA signatures are DER (RFC 3279 §2.2.3)."""

    RSA_PSS_SHA256 = "RsaPssSha256"
    RSA_PSS_SHA384 = "RsaPssSha384"
    RSA_PSS_SHA512 = "RsaPssSha512"
    RSA_PKCS1_SHA256 = "RsaPkcs1Sha256"
    RSA_PKCS1_SHA384 = "RsaPkcs1Sha384"
    RSA_PKCS1_SHA512 = "RsaPkcs1Sha512"
    ECDSA_SHA256 = "EcdsaSha256"
    ECDSA_SHA384 = "EcdsaSha384"
    ECDSA_SHA512 = "EcdsaSha512"
    ED25519 = "Ed25519"
    ED448 = "Ed448"


SIZES_BITS: Mapping[Algorithm, frozenset[int]] = MappingProxyType(
    {
        Algorithm.AES: frozenset({128, 192, 256}),
        Algorithm.RSA: frozenset({2048, 3072, 4096}),
        Algorithm.HMAC: frozenset({256, 384, 512}),
    }
)

CURVES: Mapping[Algorithm, frozenset[Curve]] = MappingProxyType(
    {
        Algorithm.EC: frozenset({Curve.P256, Curve.P384, Curve.P521, Curve.SECP256K1}),
        Algorithm.EDDSA: frozenset({Curve.ED25519, Curve.ED448}),
    }
)

_RSA_SIGNATURES = frozenset(a for a in SignatureAlgorithm if a.value.startswith("Rsa"))

# A curve signs with the hash of its own strength (FIPS 186-5 §6.1.1), never with another.
_CURVE_SIGNATURES: Mapping[Curve, SignatureAlgorithm] = MappingProxyType(
    {
        Curve.P256: SignatureAlgorithm.ECDSA_SHA256,
        Curve.SECP256K1: SignatureAlgorithm.ECDSA_SHA256,
        Curve.P384: SignatureAlgorithm.ECDSA_SHA384,
        Curve.P521: SignatureAlgorithm.ECDSA_SHA512,
        Curve.ED25519: SignatureAlgorithm.ED25519,
        Curve.ED448: SignatureAlgorithm.ED448,
    }
)


class KeySpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked for at creation. AES, RSA and HMAC have `size_bits`; EC and EdDSA `curve`.

    Raises BadRequestError when the parts do not belong together.
    """

    name: str
    algorithm: Algorithm
    size_bits: int | None = None
    curve: Curve | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= NAME_MAX_CHARACTERS:
            raise BadRequestError(f"A key's name has 1 to {NAME_MAX_CHARACTERS} characters")
        sizes = SIZES_BITS.get(self.algorithm)
        if sizes is not None and (self.size_bits not in sizes or self.curve is not None):
            raise BadRequestError(f"{self.algorithm} needs sizeBits, one of {sorted(sizes)}")
        curves = CURVES.get(self.algorithm)
        if curves is not None and (self.curve not in curves or self.size_bits is not None):
            raise BadRequestError(f"{self.algorithm} needs curve, one of {sorted(curves)}")

    @property
    def object_type(self) -> ObjectType:
        symmetric = self.algorithm in (Algorithm.AES, Algorithm.HMAC)
        return ObjectType.SYMMETRIC_KEY if symmetric else ObjectType.PRIVATE_KEY

    @property
    def signature_algorithms(self) -> frozenset[SignatureAlgorithm]:
        """The algorithms that this key's own material signs with; empty for AES and HMAC."""
        if self.algorithm is Algorithm.RSA:
            return _RSA_SIGNATURES
        return frozenset({_CURVE_SIGNATURES[self.curve]}) if self.curve else frozenset()

    @property
    def encryption_algorithm(self) -> str | None:
        """The name that answers and audit records give to `encrypt`, or None if it cannot."""
        return f"AesGcm{self.size_bits}" if self.algorithm is Algorithm.AES else None

    @property
    def wrapping_algorithm(self) -> str | None:
        """The name that answers and audit records give to `wrap`, or None if it cannot."""
        return f"AesKeyWrap{self.size_bits}" if self.algorithm is Algorithm.AES else None
