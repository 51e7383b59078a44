"""What travels to bring a key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from aegis_kernel.rest.schemas import ShortBase64, Wire
from aegis_kernel.rest.schemas_secrets import PublicKeyPem


class ImportTokenView(Wire, frozen=True):
    import_token: Annotated[bytes, Meta(description="Opaque; hand it back with what was wrapped.")]
    wrapping_key_pem: str
    algorithm: str
    expires_at: datetime


class ImportRequest(Wire, frozen=True):
    """`importToken` with `wrappedMaterialBase64`, or `publicKeyPem`; `materialBase64` in dev mode."""

    import_token: ShortBase64 | UnsetType = UNSET
    wrapped_material_base64: ShortBase64 | UnsetType = UNSET
    public_key_pem: PublicKeyPem | UnsetType = UNSET
    material_base64: ShortBase64 | UnsetType = UNSET


class ImportedKey(Wire, frozen=True):
    id: str
    current_version: int
    imported_at: datetime
