"""What travels with data keys and data key pairs."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from aegis_kernel.domain.spec import Algorithm, Curve, KeySpec
from aegis_kernel.rest.schemas import Context, Wire


class DataKeyRequest(Wire, frozen=True):
    size_bits: Literal[128, 192, 256, 512]
    context: Context | UnsetType = UNSET


class DataKeyResponse(Wire, frozen=True):
    """Unwrap `wrappedKeyBase64` with the same key and context."""

    plaintext_base64: bytes
    wrapped_key_base64: bytes
    key_version: int
    algorithm: str


class WrappedDataKeyResponse(Wire, frozen=True):
    wrapped_key_base64: bytes
    key_version: int
    algorithm: str


class _PairSpec(Wire, frozen=True, tag_field="algorithm"):
    pass


class RsaPairSpec(_PairSpec, frozen=True, tag="RSA"):
    size_bits: Literal[2048, 3072, 4096]


class EcPairSpec(_PairSpec, frozen=True, tag="EC"):
    curve: Literal["P-256", "P-384", "P-521", "secp256k1"]


class EdDsaPairSpec(_PairSpec, frozen=True, tag="EdDSA"):
    curve: Literal["Ed25519", "Ed448"]


PairSpec = RsaPairSpec | EcPairSpec | EdDsaPairSpec


def to_pair_spec(spec: PairSpec) -> KeySpec:
    """Return the kernel's words for a spec that the codec has accepted."""
    algorithm = Algorithm(str(spec.__struct_config__.tag))
    if isinstance(spec, RsaPairSpec):
        return KeySpec(name="data key pair", algorithm=algorithm, size_bits=spec.size_bits)
    return KeySpec(name="data key pair", algorithm=algorithm, curve=Curve(spec.curve))


class DataKeyPairRequest(Wire, frozen=True):
    spec: PairSpec
    context: Context | UnsetType = UNSET


class DataKeyPairResponse(Wire, frozen=True):
    """`plaintextBase64` is the private key in PKCS #8 DER (RFC 5958); so is what is wrapped."""

    plaintext_base64: bytes
    wrapped_key_base64: bytes
    public_key_pem: str
    key_version: int
    algorithm: str


class WrappedDataKeyPairResponse(Wire, frozen=True):
    wrapped_key_base64: bytes
    public_key_pem: str
    key_version: int
    algorithm: str
