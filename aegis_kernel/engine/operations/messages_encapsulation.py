"""Requests and answers of encapsulate and decapsulate, in the kernel's own spelling."""

from __future__ import annotations

import msgspec

from aegis_kernel.domain.ciphertext import CiphertextFormat
from aegis_kernel.domain.secret import Secret


class Encapsulate(msgspec.Struct, frozen=True, gc=False):
    pass


class Decapsulate(msgspec.Struct, frozen=True, gc=False):
    """`key_version` goes with a RAW ciphertext, as in Decrypt."""

    ciphertext: bytes
    format: CiphertextFormat = CiphertextFormat.AEGIS
    key_version: int | None = None


class Encapsulated(msgspec.Struct, frozen=True, gc=False):
    shared_secret: Secret
    ciphertext: bytes
    algorithm: str
    key_version: int


class Decapsulated(msgspec.Struct, frozen=True, gc=False):
    shared_secret: Secret
    algorithm: str
    key_version: int
