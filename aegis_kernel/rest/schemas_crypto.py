"""What travels with sign, verify, encrypt, decrypt, wrap and unwrap."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from aegis_kernel.domain.spec import SignatureAlgorithm, WrapFormat
from aegis_kernel.rest.codec import Base64
from aegis_kernel.rest.schemas import Ciphertext, Context, KeyBytes, ShortBase64, Version, Wire


class SignRequest(Wire, frozen=True):
    message_base64: Base64
    algorithm: SignatureAlgorithm


class SignResponse(Wire, frozen=True):
    signature_base64: bytes
    algorithm: str
    key_version: int


class VerifyRequest(Wire, frozen=True):
    message_base64: Base64
    signature_base64: ShortBase64
    algorithm: SignatureAlgorithm
    key_version: Version | UnsetType = UNSET


class VerifyResponse(Wire, frozen=True):
    valid: bool
    algorithm: str


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
