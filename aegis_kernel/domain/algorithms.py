"""Algorithms, sizes, curves and parameter sets, and which of them belong together."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Algorithm(StrEnum):
    AES = "AES"
    RSA = "RSA"
    EC = "EC"
    EDDSA = "EdDSA"
    HMAC = "HMAC"
    ML_DSA = "ML-DSA"
    ML_KEM = "ML-KEM"


class Curve(StrEnum):
    P256 = "P-256"
    P384 = "P-384"
    P521 = "P-521"
    SECP256K1 = "secp256k1"
    ED25519 = "Ed25519"
    ED448 = "Ed448"


class ParameterSet(StrEnum):
    """Of FIPS 204 (ML-DSA), of FIPS 203 (ML-KEM), and the hybrids of ML-KEM with a curve.

    A hybrid is a KEM of draft-irtf-cfrg-concrete-hybrid-kems: MLKEM768-X25519, which is X-Wing, and
    MLKEM1024-P384. Whoever breaks only one of the two halves has broken nothing.
    """

    ML_DSA_44 = "ML-DSA-44"
    ML_DSA_65 = "ML-DSA-65"
    ML_DSA_87 = "ML-DSA-87"
    ML_KEM_768 = "ML-KEM-768"
    ML_KEM_1024 = "ML-KEM-1024"
    ML_KEM_768_X25519 = "ML-KEM-768-X25519"
    ML_KEM_1024_P384 = "ML-KEM-1024-P384"


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
    ML_DSA_44 = "MlDsa44"
    ML_DSA_65 = "MlDsa65"
    ML_DSA_87 = "MlDsa87"


class EncryptionAlgorithm(StrEnum):
    """What a key encrypts with. Those from RSA on encrypt with the public key alone.

    OAEP is RFC 8017 §7.1, with SHA-256 and MGF1-SHA-256. HPKE is RFC 9180 in base mode, single
    shot; the names say KEM, HKDF's hash, AEAD.
    """

    AES_GCM_128 = "AesGcm128"
    AES_GCM_192 = "AesGcm192"
    AES_GCM_256 = "AesGcm256"
    RSA_OAEP_SHA256 = "RsaOaepSha256"
    HPKE_P256 = "HpkeP256Sha256Aes256Gcm"
    HPKE_P384 = "HpkeP384Sha384Aes256Gcm"
    HPKE_P521 = "HpkeP521Sha512Aes256Gcm"
    HPKE_ML_KEM_768_X25519 = "HpkeMlKem768X25519Sha256Aes256Gcm"
    HPKE_ML_KEM_1024_P384 = "HpkeMlKem1024P384Sha384Aes256Gcm"


class EncapsulationAlgorithm(StrEnum):
    """FIPS 203: a fresh 32-byte shared secret, and a ciphertext that only the key turns back."""

    ML_KEM_768 = "MlKem768"
    ML_KEM_1024 = "MlKem1024"


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

PARAMETER_SETS: Mapping[Algorithm, frozenset[ParameterSet]] = MappingProxyType(
    {
        Algorithm.ML_DSA: frozenset(p for p in ParameterSet if p.startswith("ML-DSA")),
        Algorithm.ML_KEM: frozenset(p for p in ParameterSet if p.startswith("ML-KEM")),
    }
)

RSA_SIGNATURES = frozenset(a for a in SignatureAlgorithm if a.value.startswith("Rsa"))

# A curve signs with the hash of its own strength (FIPS 186-5 §6.1.1), never with another.
CURVE_SIGNATURES: Mapping[Curve, SignatureAlgorithm] = MappingProxyType(
    {
        Curve.P256: SignatureAlgorithm.ECDSA_SHA256,
        Curve.SECP256K1: SignatureAlgorithm.ECDSA_SHA256,
        Curve.P384: SignatureAlgorithm.ECDSA_SHA384,
        Curve.P521: SignatureAlgorithm.ECDSA_SHA512,
        Curve.ED25519: SignatureAlgorithm.ED25519,
        Curve.ED448: SignatureAlgorithm.ED448,
    }
)

MACS: Mapping[int, MacAlgorithm] = MappingProxyType(
    {
        256: MacAlgorithm.HMAC_SHA256,
        384: MacAlgorithm.HMAC_SHA384,
        512: MacAlgorithm.HMAC_SHA512,
    }
)

CURVE_AGREEMENTS: Mapping[Curve, AgreementAlgorithm] = MappingProxyType(
    {
        Curve.P256: AgreementAlgorithm.ECDH_HKDF_SHA256,
        Curve.SECP256K1: AgreementAlgorithm.ECDH_HKDF_SHA256,
        Curve.P384: AgreementAlgorithm.ECDH_HKDF_SHA384,
        Curve.P521: AgreementAlgorithm.ECDH_HKDF_SHA512,
    }
)

ML_DSA_SIGNATURES: Mapping[ParameterSet, SignatureAlgorithm] = MappingProxyType(
    {
        ParameterSet.ML_DSA_44: SignatureAlgorithm.ML_DSA_44,
        ParameterSet.ML_DSA_65: SignatureAlgorithm.ML_DSA_65,
        ParameterSet.ML_DSA_87: SignatureAlgorithm.ML_DSA_87,
    }
)

AES_GCM: Mapping[int, EncryptionAlgorithm] = MappingProxyType(
    {
        128: EncryptionAlgorithm.AES_GCM_128,
        192: EncryptionAlgorithm.AES_GCM_192,
        256: EncryptionAlgorithm.AES_GCM_256,
    }
)

# There is no HPKE KEM on secp256k1, EdDSA keys only sign, and a plain ML-KEM key encapsulates.
HPKE: Mapping[Curve | ParameterSet, EncryptionAlgorithm] = MappingProxyType(
    {
        Curve.P256: EncryptionAlgorithm.HPKE_P256,
        Curve.P384: EncryptionAlgorithm.HPKE_P384,
        Curve.P521: EncryptionAlgorithm.HPKE_P521,
        ParameterSet.ML_KEM_768_X25519: EncryptionAlgorithm.HPKE_ML_KEM_768_X25519,
        ParameterSet.ML_KEM_1024_P384: EncryptionAlgorithm.HPKE_ML_KEM_1024_P384,
    }
)

KEMS: Mapping[ParameterSet, EncapsulationAlgorithm] = MappingProxyType(
    {
        ParameterSet.ML_KEM_768: EncapsulationAlgorithm.ML_KEM_768,
        ParameterSet.ML_KEM_1024: EncapsulationAlgorithm.ML_KEM_1024,
    }
)

# Two hashes and two bytes are what OAEP adds (RFC 8017 §7.1.1).
OAEP_SHA256_BYTES = 66
