"""What a key is asked to be: its algorithm, its size or curve, and what that algorithm can do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.lifecycle import Usage

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


class MacAlgorithm(StrEnum):
    """HMAC (FIPS 198-1) with the hash that is as long as the key; MACs are never truncated."""

    HMAC_SHA256 = "HmacSha256"
    HMAC_SHA384 = "HmacSha384"
    HMAC_SHA512 = "HmacSha512"


class AgreementAlgorithm(StrEnum):
    """ECDH (SP 800-56A §5.7.1.2), then HKDF (RFC 5869) with the hash of the curve's strength."""

    ECDH_HKDF_SHA256 = "EcdhHkdfSha256"
    ECDH_HKDF_SHA384 = "EcdhHkdfSha384"
    ECDH_HKDF_SHA512 = "EcdhHkdfSha512"


class WrapFormat(StrEnum):
    """A wrapped key as other systems write it, in place of our own with its header."""

    RFC5649 = "rfc5649"


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

_MACS: Mapping[int, MacAlgorithm] = MappingProxyType(
    {
        256: MacAlgorithm.HMAC_SHA256,
        384: MacAlgorithm.HMAC_SHA384,
        512: MacAlgorithm.HMAC_SHA512,
    }
)

_CURVE_AGREEMENTS: Mapping[Curve, AgreementAlgorithm] = MappingProxyType(
    {
        Curve.P256: AgreementAlgorithm.ECDH_HKDF_SHA256,
        Curve.SECP256K1: AgreementAlgorithm.ECDH_HKDF_SHA256,
        Curve.P384: AgreementAlgorithm.ECDH_HKDF_SHA384,
        Curve.P521: AgreementAlgorithm.ECDH_HKDF_SHA512,
    }
)

_SIGNING = frozenset({Usage.SIGN, Usage.VERIFY})

# What keys of an algorithm can be created for.
USAGES_OF: Mapping[Algorithm, frozenset[Usage]] = MappingProxyType(
    {
        Algorithm.AES: frozenset(
            {
                Usage.ENCRYPT,
                Usage.DECRYPT,
                Usage.WRAP,
                Usage.UNWRAP,
                Usage.GENERATE_DATA_KEY,
                Usage.GENERATE_DATA_KEY_WRAPPED_ONLY,
                Usage.GENERATE_DATA_KEY_PAIR,
                Usage.GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY,
                Usage.REENCRYPT,
                Usage.WRAP_RFC5649,
            }
        ),
        Algorithm.RSA: _SIGNING,
        Algorithm.EC: _SIGNING | {Usage.DERIVE},
        Algorithm.EDDSA: _SIGNING,
        Algorithm.HMAC: frozenset({Usage.MAC, Usage.VERIFY_MAC}),
    }
)


class KeySpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked for at creation. AES, RSA and HMAC have `size_bits`; EC and EdDSA `curve`.

    Without `usages` a key may do all that its algorithm can, except wrapRfc5649: that one must be
    asked for, and stands alone. Raises BadRequestError when the parts do not belong together.
    """

    name: str
    algorithm: Algorithm
    size_bits: int | None = None
    curve: Curve | None = None
    usages: frozenset[Usage] | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= NAME_MAX_CHARACTERS:
            raise BadRequestError(f"A key's name has 1 to {NAME_MAX_CHARACTERS} characters")
        sizes = SIZES_BITS.get(self.algorithm)
        if sizes is not None and (self.size_bits not in sizes or self.curve is not None):
            raise BadRequestError(f"{self.algorithm} needs sizeBits, one of {sorted(sizes)}")
        curves = CURVES.get(self.algorithm)
        if curves is not None and (self.curve not in curves or self.size_bits is not None):
            raise BadRequestError(f"{self.algorithm} needs curve, one of {sorted(curves)}")
        if self.usages is not None:
            _check_usages(self.algorithm, self.usages)

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

    @property
    def interop_wrapping_algorithm(self) -> str | None:
        """The name that answers and audit records give to `wrap` in the format rfc5649, or None
        if the key was not made for it."""
        return f"AesKwp{self.size_bits}" if Usage.WRAP_RFC5649 in (self.usages or ()) else None

    @property
    def mac_algorithm(self) -> MacAlgorithm | None:
        """The one algorithm of an HMAC key's MACs, else None."""
        return _MACS[self.size_bits or 0] if self.algorithm is Algorithm.HMAC else None

    @property
    def agreement_algorithm(self) -> AgreementAlgorithm | None:
        """The one algorithm that an EC key derives with, else None."""
        return _CURVE_AGREEMENTS.get(self.curve) if self.curve else None


def _check_usages(algorithm: Algorithm, usages: frozenset[Usage]) -> None:
    if not usages:
        raise BadRequestError("usages names at least one, or is left out")
    unable = sorted(usages - USAGES_OF[algorithm])
    if unable:
        raise BadRequestError(f"An {algorithm} key cannot {', '.join(unable)}; take it from usages")
    # Such a key works without the derivation and the context that the other formats bind; what one
    # use shows must not help against another (SP 800-57 Part 1 §5.2: one key, one purpose).
    if Usage.WRAP_RFC5649 in usages and len(usages) > 1:
        raise BadRequestError("A key with the usage wrapRfc5649 has no other usage")
