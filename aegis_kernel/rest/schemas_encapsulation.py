"""What travels with encapsulate and decapsulate."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from aegis_kernel.rest.schemas import ShortBase64, Version, Wire
from aegis_kernel.rest.schemas_crypto import RawFormat


class EncapsulateRequest(Wire, frozen=True):
    pass


class EncapsulateResponse(Wire, frozen=True):
    shared_secret_base64: bytes
    ciphertext_base64: bytes
    key_version: int
    algorithm: str


class DecapsulateRequest(Wire, frozen=True):
    ciphertext_base64: ShortBase64
    format: RawFormat | UnsetType = UNSET
    key_version: Version | UnsetType = UNSET


class DecapsulateResponse(Wire, frozen=True):
    shared_secret_base64: bytes
    key_version: int
    algorithm: str
