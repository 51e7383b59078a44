"""What travels with re-encryption."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from aegis_kernel.rest.schemas import Ciphertext, Context, Wire
from aegis_kernel.rest.schemas_aliases import KeyName


class ReEncryptRequest(Wire, frozen=True):
    """`context` is the one that was encrypted or wrapped with; `destinationContext` the new one."""

    ciphertext_base64: Ciphertext
    destination_key_id: KeyName
    context: Context | UnsetType = UNSET
    destination_context: Context | UnsetType = UNSET


class ReEncryptResponse(Wire, frozen=True):
    """`keyId` is the destination's, also where an alias named it."""

    ciphertext_base64: bytes
    key_id: str
    key_version: int
    algorithm: str
