"""Requests and answers of imports, as `messages` has them for the other operations."""

from __future__ import annotations

from datetime import datetime

import msgspec

from aegis_kernel.spi.imports import PlainImport, PublicImport


class CreateImportToken(msgspec.Struct, frozen=True, gc=False):
    """Nothing is asked but for which key."""


class ImportToken(msgspec.Struct, frozen=True, gc=False):
    """`wrapping_key` is the DER SubjectPublicKeyInfo to wrap under, until `expires_at`."""

    token: bytes
    wrapping_key: bytes
    expires_at: datetime


class WrappedMaterial(msgspec.Struct, frozen=True, gc=False):
    """An import token, and what was wrapped under its public key."""

    token: bytes
    wrapped: bytes


class ImportKey(msgspec.Struct, frozen=True, gc=False):
    """What becomes the key's next version."""

    source: WrappedMaterial | PublicImport | PlainImport
