"""What travels with MACs, derived secrets and random bytes."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from aegis_kernel.domain.spec import AgreementAlgorithm, MacAlgorithm
from aegis_kernel.rest.codec import Base64
from aegis_kernel.rest.schemas import ShortBase64, Version, Wire, text


class MacRequest(Wire, frozen=True):
    message_base64: Base64
    algorithm: MacAlgorithm


class MacResponse(Wire, frozen=True):
    mac_base64: bytes
    algorithm: str
    key_version: int


class VerifyMacRequest(Wire, frozen=True):
    """A MAC of another length than its algorithm's is not valid, and no error."""

    message_base64: Base64
    mac_base64: ShortBase64
    algorithm: MacAlgorithm
    key_version: Version | UnsetType = UNSET


class VerifyMacResponse(Wire, frozen=True):
    valid: bool
    algorithm: str


class Info(Base64):
    """What the caller binds into a derived secret."""

    max_bytes: ClassVar[int] = 1024


PublicKeyPem = Annotated[str, text(1, 4096)]
DerivedBits = Annotated[int, Meta(ge=128, le=512, multiple_of=8)]


class DeriveRequest(Wire, frozen=True):
    """`publicKeyPem` is the other side's: the key's own curve by name, an uncompressed point."""

    public_key_pem: PublicKeyPem
    algorithm: AgreementAlgorithm
    size_bits: DerivedBits
    info_base64: Info | UnsetType = UNSET


class DeriveResponse(Wire, frozen=True):
    secret_base64: bytes
    key_version: int


class RandomRequest(Wire, frozen=True):
    size_bytes: Annotated[int, Meta(ge=1, le=1024)] = msgspec.field(name="bytes")


class RandomResponse(Wire, frozen=True):
    random_base64: bytes
