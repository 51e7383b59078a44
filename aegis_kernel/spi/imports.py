"""What passes between the kernel and a root of trust when a key comes from outside."""

from __future__ import annotations

import msgspec

from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import KeySpec


class TokenBinding(msgspec.Struct, frozen=True):
    """What an import token is bound to: a key, its spec, and when it expires, in Unix seconds."""

    key_id: KeyId
    spec: KeySpec
    expires: int


class WrappingKey(msgspec.Struct, frozen=True):
    """An RSA-4096 key for imports: the public half as DER, and a token that brings the private half.

    The kernel stores neither. The caller gets `token`, which is opaque and sealed as material is,
    and hands it back with the import.
    """

    token: Secret
    public: bytes


class WrappedImport(msgspec.Struct, frozen=True):
    """Material that its owner wrapped by CKM_RSA_AES_KEY_WRAP (PKCS #11 v3.0 §2.1.21).

    `wrapped` is RSA-OAEP (SHA-256, MGF1-SHA-256, no label) of a 256-bit AES key, under the public
    half of `token`; then RFC 5649 of the material under that AES key: raw bytes for AES and HMAC,
    PKCS #8 DER (RFC 5958) for private keys.
    """

    token: Secret
    token_binding: TokenBinding
    wrapped: bytes


class PlainImport(msgspec.Struct, frozen=True):
    """Material as `WrappedImport` has it inside; the kernel admits it in dev mode only."""

    material: Secret


class PublicImport(msgspec.Struct, frozen=True):
    """A DER SubjectPublicKeyInfo (RFC 5280 §4.1): a version that verifies, and does nothing else."""

    der: bytes


Imported = WrappedImport | PlainImport | PublicImport
