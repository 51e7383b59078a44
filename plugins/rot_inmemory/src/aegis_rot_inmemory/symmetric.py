"""AES-GCM and AES key wrap, in the one way that every format here uses them."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

from aegis_kernel import NOT_AUTHENTIC, DecryptionFailedError

GCM_TAG_BYTES = 16
KWP_BYTES = 8


def gcm_encrypt(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """Return the ciphertext and its 16-byte tag (SP 800-38D). `nonce` has 12 bytes."""
    return AESGCM(key).encrypt(nonce, plaintext, aad)


def gcm_decrypt(key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    """Return the plaintext. Raises DecryptionFailedError for anything not made by `gcm_encrypt`."""
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except InvalidTag:
        raise DecryptionFailedError(NOT_AUTHENTIC, reason="ciphertext is damaged") from None


def kwp_wrap(key: bytes, key_bytes: bytes) -> bytes:
    """Return `key_bytes`, at least one, wrapped by RFC 5649."""
    return aes_key_wrap_with_padding(key, key_bytes)


def kwp_unwrap(key: bytes, wrapped: bytes) -> bytes:
    """Return what RFC 5649 wrapped. Raises DecryptionFailedError for anything else."""
    try:
        return aes_key_unwrap_with_padding(key, wrapped)
    except InvalidUnwrap:
        raise DecryptionFailedError(NOT_AUTHENTIC, reason="wrapped key is damaged") from None
