"""The request and the answer of reading a public key."""

from __future__ import annotations

import msgspec

from aegis_kernel.domain.key import KeyId


class GetPublicKey(msgspec.Struct, frozen=True, gc=False):
    """The public key of `key_version`, by default of the current one."""

    key_version: int | None = None


class PublicKey(msgspec.Struct, frozen=True, gc=False):
    """`der` is a SubjectPublicKeyInfo (RFC 5280 §4.1); a hybrid's is its KEM's own encoding."""

    der: bytes
    key_id: KeyId
    key_version: int
    algorithm: str
    is_hybrid: bool = False
