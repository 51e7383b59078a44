"""What travels with sign, verify, encrypt, decrypt, wrap and unwrap."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from aegis_kernel.domain.signature import ECDSA, MessageType, SignatureFormat
from aegis_kernel.domain.spec import SignatureAlgorithm, WrapFormat
from aegis_kernel.rest.codec import Base64
from aegis_kernel.rest.schemas import (
    Ciphertext,
    Context,
    KeyBytes,
    ShortBase64,
    Version,
    Wire,
    or_default,
)

RawFormat = Annotated[
    Literal["raw"],
    Meta(
        description="Made elsewhere with the public key alone: no header, empty OAEP label or HPKE "
        "info. Needs `keyVersion`."
    ),
]


class SignRequest(Wire, frozen=True):
    message_base64: Base64
    algorithm: SignatureAlgorithm
    message_type: MessageType | UnsetType = UNSET
    signature_format: SignatureFormat | UnsetType = UNSET


class SignResponse(Wire, frozen=True):
    """Type and format stand here when the request named one, the format for ECDSA only."""

    signature_base64: bytes
    algorithm: str
    key_version: int
    message_type: MessageType | UnsetType = UNSET
    signature_format: SignatureFormat | UnsetType = UNSET


class VerifyRequest(Wire, frozen=True):
    message_base64: Base64
    signature_base64: ShortBase64
    algorithm: SignatureAlgorithm
    key_version: Version | UnsetType = UNSET
    message_type: MessageType | UnsetType = UNSET
    signature_format: SignatureFormat | UnsetType = UNSET


class VerifyResponse(Wire, frozen=True):
    """As in SignResponse."""

    valid: bool
    algorithm: str
    message_type: MessageType | UnsetType = UNSET
    signature_format: SignatureFormat | UnsetType = UNSET


class SignatureForm(Wire, frozen=True):
    """What an answer says of type and format; not a message of its own."""

    message_type: MessageType | UnsetType = UNSET
    signature_format: SignatureFormat | UnsetType = UNSET


def form_used(taken: SignRequest | VerifyRequest) -> SignatureForm:
    """Return what was used, defaults included, if the request named either of the two."""
    if taken.message_type is UNSET and taken.signature_format is UNSET:
        return _UNSAID
    is_ecdsa = taken.algorithm in ECDSA
    return SignatureForm(
        message_type=or_default(taken.message_type, MessageType.RAW),
        signature_format=or_default(taken.signature_format, SignatureFormat.DER)
        if is_ecdsa
        else UNSET,
    )


_UNSAID = SignatureForm()


class EncryptRequest(Wire, frozen=True):
    plaintext_base64: Base64
    context: Context | UnsetType = UNSET


class EncryptResponse(Wire, frozen=True):
    ciphertext_base64: bytes
    key_version: int
    algorithm: str


class DecryptRequest(Wire, frozen=True):
    ciphertext_base64: Ciphertext
    context: Context | UnsetType = UNSET
    format: RawFormat | UnsetType = UNSET
    key_version: Version | UnsetType = UNSET


class DecryptResponse(Wire, frozen=True):
    plaintext_base64: bytes
    key_version: int
    algorithm: str


class WrapRequest(Wire, frozen=True):
    """`format` is for keys with the usage wrapRfc5649, and takes no context."""

    plaintext_base64: KeyBytes
    context: Context | UnsetType = UNSET
    format: WrapFormat | UnsetType = UNSET


class WrapResponse(Wire, frozen=True):
    wrapped_key_base64: bytes
    key_version: int
    algorithm: str


class UnwrapRequest(Wire, frozen=True):
    """`keyVersion` goes with `format`, where more than one version may have wrapped the key."""

    wrapped_key_base64: ShortBase64
    context: Context | UnsetType = UNSET
    format: WrapFormat | UnsetType = UNSET
    key_version: Version | UnsetType = UNSET


class UnwrapResponse(Wire, frozen=True):
    plaintext_base64: bytes
    key_version: int
