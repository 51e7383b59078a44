"""What a key is asked to be: its algorithm, its size, curve or parameter set, and what that algorithm can do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import msgspec

from aegis_kernel.domain.algorithms import (
    AES_GCM,
    CURVE_AGREEMENTS,
    CURVE_SIGNATURES,
    CURVES,
    HPKE,
    KEMS,
    MACS,
    ML_DSA_SIGNATURES,
    OAEP_SHA256_BYTES,
    PARAMETER_SETS,
    RSA_SIGNATURES,
    SIZES_BITS,
    AgreementAlgorithm,
    Algorithm,
    Curve,
    EncapsulationAlgorithm,
    EncryptionAlgorithm,
    MacAlgorithm,
    ParameterSet,
    SignatureAlgorithm,
    WrapFormat,
)
from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.usage import Usage

__all__ = [
    "CURVES",
    "NAME_MAX_CHARACTERS",
    "PARAMETER_SETS",
    "SIZES_BITS",
    "USAGES_OF",
    "AgreementAlgorithm",
    "Algorithm",
    "Curve",
    "EncapsulationAlgorithm",
    "EncryptionAlgorithm",
    "KeySpec",
    "MacAlgorithm",
    "ObjectType",
    "ParameterSet",
    "SignatureAlgorithm",
    "WrapFormat",
]

NAME_MAX_CHARACTERS = 256


class ObjectType(StrEnum):
    """KMIP 2.1 object types that a key here can be."""

    SYMMETRIC_KEY = "SymmetricKey"
    PRIVATE_KEY = "PrivateKey"


_SIGNING = frozenset({Usage.SIGN, Usage.VERIFY})
_ENCRYPTING = frozenset({Usage.ENCRYPT, Usage.DECRYPT, Usage.REENCRYPT})

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
        Algorithm.RSA: _SIGNING | _ENCRYPTING,
        Algorithm.EC: _SIGNING | _ENCRYPTING | {Usage.DERIVE},
        Algorithm.EDDSA: _SIGNING,
        Algorithm.HMAC: frozenset({Usage.MAC, Usage.VERIFY_MAC}),
        Algorithm.ML_DSA: _SIGNING,
        Algorithm.ML_KEM: _ENCRYPTING | {Usage.ENCAPSULATE, Usage.DECAPSULATE},
    }
)


class KeySpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked for at creation.

    AES, RSA and HMAC have `size_bits`; EC and EdDSA `curve`; ML-DSA and ML-KEM `parameter_set`.
    Without `usages` a key may do all that its algorithm can, except wrapRfc5649: that one must be
    asked for, and stands alone. Raises BadRequestError when the parts do not belong together.
    """

    name: str
    algorithm: Algorithm
    size_bits: int | None = None
    curve: Curve | None = None
    parameter_set: ParameterSet | None = None
    usages: frozenset[Usage] | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= NAME_MAX_CHARACTERS:
            raise BadRequestError(f"A key's name has 1 to {NAME_MAX_CHARACTERS} characters")
        _require_one(self.algorithm, SIZES_BITS, "sizeBits", self.size_bits)
        _require_one(self.algorithm, CURVES, "curve", self.curve)
        _require_one(self.algorithm, PARAMETER_SETS, "parameterSet", self.parameter_set)
        if self.usages is not None:
            _check_usages(self.algorithm, self.usages)

    @property
    def object_type(self) -> ObjectType:
        symmetric = self.algorithm in (Algorithm.AES, Algorithm.HMAC)
        return ObjectType.SYMMETRIC_KEY if symmetric else ObjectType.PRIVATE_KEY

    @property
    def signature_algorithms(self) -> frozenset[SignatureAlgorithm]:
        """The algorithms that this key's own material signs with; often none."""
        if self.algorithm is Algorithm.RSA:
            return RSA_SIGNATURES
        if self.curve is not None:
            return frozenset({CURVE_SIGNATURES[self.curve]})
        if self.algorithm is Algorithm.ML_DSA and self.parameter_set is not None:
            return frozenset({ML_DSA_SIGNATURES[self.parameter_set]})
        return frozenset()

    @property
    def encryption_algorithm(self) -> EncryptionAlgorithm | None:
        """What `encrypt` does with this key, or None if it cannot."""
        if self.algorithm is Algorithm.AES:
            return AES_GCM[self.size_bits or 0]
        if self.algorithm is Algorithm.RSA:
            return EncryptionAlgorithm.RSA_OAEP_SHA256
        group = self.curve or self.parameter_set
        return HPKE.get(group) if group else None

    @property
    def binds_context(self) -> bool:
        """Whether ciphertexts of this key can be bound to an encryption context."""
        return self.algorithm is Algorithm.AES

    @property
    def plaintext_most_bytes(self) -> int | None:
        """How much `encrypt` takes where the algorithm itself has a limit: RSA's k − 66."""
        if self.algorithm is not Algorithm.RSA or self.size_bits is None:
            return None
        return self.size_bits // 8 - OAEP_SHA256_BYTES

    @property
    def is_hybrid(self) -> bool:
        """Whether this key is an ML-KEM key and a key on a curve; such a pair has no DER."""
        return self.encapsulation_algorithm is None and self.algorithm is Algorithm.ML_KEM

    @property
    def encapsulation_algorithm(self) -> EncapsulationAlgorithm | None:
        """What `encapsulate` does with this key, or None if it cannot."""
        return KEMS.get(self.parameter_set) if self.parameter_set else None

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
        return MACS[self.size_bits or 0] if self.algorithm is Algorithm.HMAC else None

    @property
    def agreement_algorithm(self) -> AgreementAlgorithm | None:
        """The one algorithm that an EC key derives with, else None."""
        return CURVE_AGREEMENTS.get(self.curve) if self.curve else None


def _require_one(
    algorithm: Algorithm,
    choices: Mapping[Algorithm, frozenset[Any]],
    field: str,
    value: object | None,
) -> None:
    allowed = choices.get(algorithm)
    if allowed is None and value is not None:
        raise BadRequestError(f"{algorithm} takes no {field}")
    if allowed is not None and value not in allowed:
        raise BadRequestError(f"{algorithm} needs {field}, one of {sorted(allowed)}")


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
