"""What the owner of a key does: wraps it under a token's public key, with the library alone."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import load_der_public_key


def wrap(public: bytes, material: bytes) -> bytes:
    """Return `material` wrapped by RSA_AES_KEY_WRAP_SHA_256 under a DER public key."""
    wrapping_key = load_der_public_key(public)
    assert isinstance(wrapping_key, rsa.RSAPublicKey)
    key = os.urandom(32)
    oaep = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
    return wrapping_key.encrypt(key, oaep) + aes_key_wrap_with_padding(key, material)
