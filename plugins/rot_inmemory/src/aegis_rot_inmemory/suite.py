"""Suite 1, the envelope of this root: 120 bytes, then a ciphertext.

    at   bytes
      0  25  header      the kernel's: format, suite, kind, 120, key id, version
     25  32  salt        random
     57  32  commitment  C
     89  16  tag         of the context
    105  12  nonce       random; zero around a wrapped key
    117   3  zeros
    120      AES-GCM and its 16-byte tag (SP 800-38D), or AES-KWP (RFC 5649)

    tag   = HMAC-SHA256(KDF(key, "ctx", salt ‖ header), context)[:16]
    K ‖ C = KDF(key, "env", salt ‖ header ‖ tag)        K as long as the key, C 32 bytes
    data  = AES-GCM(K, nonce, plaintext, AAD = the 120 bytes ‖ context)
    wrap  = AES-KWP(K, key bytes)

Every message has its own K, or shares it with those of its context in one batch, under nonces that
count (suite_many.py); so no count of messages wears a key out. C commits to the key, and
vouches for salt, header and tag. A context that does not make this tag is therefore the wrong
context, and everything else that fails is damage or forgery.
"""

from __future__ import annotations

import os
from hmac import compare_digest

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from aegis_kernel import (
    CONTEXT_MISMATCH,
    HEADER_BYTES,
    NOT_AUTHENTIC,
    BadRequestError,
    DecryptionFailedError,
    Suite,
)
from aegis_rot_inmemory.kdf import derive
from aegis_rot_inmemory.symmetric import (
    GCM_TAG_BYTES,
    KWP_BYTES,
    gcm_decrypt,
    gcm_encrypt,
    kwp_unwrap,
    kwp_wrap,
)

SUITE = Suite(number=1, prefix_bytes=120)

WRAP_LEAST_BYTES = 16
WRAP_MOST_BYTES = 4096

# Offsets in what follows the header.
_COMMITMENT = 32
_TAG = 64
_NONCE = 80
_ZEROS = 92
_CIPHERTEXT = SUITE.prefix_bytes - HEADER_BYTES

# RFC 5649 takes neither nonce nor AAD: where GCM's nonce stands, a wrap has zeros, and they are checked.
_NO_NONCE = bytes(12)
_ZERO_BYTES = bytes(3)
_SHA256 = SHA256()


def seal(key: bytes, header: bytes, plaintext: bytes, context: bytes) -> bytes:
    """Return what follows `header`: 95 bytes of prefix, the ciphertext, a 16-byte tag.

    `key` has 16, 24 or 32 bytes, `header` 25; `context` has any length.
    """
    # One message per K allows a constant nonce; a random one denies an attacker who holds many
    # messages the table of candidate keys that a constant would let him share among them.
    fresh = os.urandom(44)
    salt, nonce = fresh[:32], fresh[32:]
    message_key, prefix = _begin(key, header, context, salt, nonce)
    aad = header + prefix + context
    return prefix + gcm_encrypt(message_key, nonce, plaintext, aad)


def unseal(key: bytes, header: bytes, body: bytes, context: bytes) -> bytes:
    """Return the plaintext of what `seal` made.

    Raises DecryptionFailedError: CONTEXT_MISMATCH when only the context is another, else
    NOT_AUTHENTIC.
    """
    require_whole(body)
    message_key = admit(key, header, body, context)
    aad = header + body[:_CIPHERTEXT] + context
    return gcm_decrypt(message_key, body[_NONCE:_ZEROS], body[_CIPHERTEXT:], aad)


def is_made_under(key: bytes, header: bytes, body: bytes, context: bytes) -> bool:
    """Return whether `key` made this for `header` and `context`; the ciphertext is not looked at."""
    if len(body) < _CIPHERTEXT + GCM_TAG_BYTES:
        return False
    try:
        admit(key, header, body, context)
    except DecryptionFailedError:
        return False
    return True


def wrap(key: bytes, header: bytes, key_bytes: bytes, context: bytes) -> bytes:
    """Return what follows `header` around `key_bytes`: 95 bytes of prefix, then RFC 5649.

    Raises BadRequestError unless `key_bytes` has 16 to 4096 bytes.
    """
    if not WRAP_LEAST_BYTES <= len(key_bytes) <= WRAP_MOST_BYTES:
        raise BadRequestError(
            f"wrap takes a key of {WRAP_LEAST_BYTES} to {WRAP_MOST_BYTES} bytes; encrypt takes data"
        )
    wrapping_key, prefix = _begin(key, header, context, os.urandom(32), _NO_NONCE)
    return prefix + kwp_wrap(wrapping_key, key_bytes)


def unwrap(key: bytes, header: bytes, body: bytes, context: bytes) -> bytes:
    """Return the key bytes of what `wrap` made. Raises as `unseal` does."""
    wrapped = body[_CIPHERTEXT:]
    if not WRAP_LEAST_BYTES <= len(wrapped) - KWP_BYTES <= WRAP_MOST_BYTES:
        raise DecryptionFailedError(NOT_AUTHENTIC, reason="wrapped key has an impossible length")
    wrapping_key = admit(key, header, body, context)
    if any(body[_NONCE:_ZEROS]):
        raise DecryptionFailedError(NOT_AUTHENTIC, reason="wrapped key with a nonce")
    return kwp_unwrap(wrapping_key, wrapped)


def begin_shared(
    key: bytes, header: bytes, context: bytes, salt: bytes
) -> tuple[bytes, bytes, bytes]:
    """Return (K, what stands before the nonce, what stands after it) for messages of one salt.

    The caller uses no nonce twice under that K.
    """
    message_key, prefix = _begin(key, header, context, salt, _NO_NONCE)
    return message_key, prefix[:_NONCE], prefix[_ZEROS:]


def split(body: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Return what stands before the nonce, the nonce, the zeros after it, and the ciphertext."""
    return body[:_NONCE], body[_NONCE:_ZEROS], body[_ZEROS:_CIPHERTEXT], body[_CIPHERTEXT:]


def require_whole(body: bytes) -> None:
    """Raise DecryptionFailedError for a body too short to be one."""
    if len(body) < _CIPHERTEXT + GCM_TAG_BYTES:
        raise DecryptionFailedError(NOT_AUTHENTIC, reason="ciphertext is cut short")


def _begin(
    key: bytes, header: bytes, context: bytes, salt: bytes, nonce: bytes
) -> tuple[bytes, bytes]:
    """Return (K, what stands between header and ciphertext) for a new message."""
    tag = _context_tag(key, salt, header, context)
    message_key, commitment = _message_key(key, salt, header, tag)
    return message_key, salt + commitment + tag + nonce + _ZERO_BYTES


def admit(key: bytes, header: bytes, body: bytes, context: bytes) -> bytes:
    """Return K if the prefix is whole and made under this key, for this header and context."""
    salt, tag = body[:_COMMITMENT], body[_TAG:_NONCE]
    message_key, commitment = _message_key(key, salt, header, tag)
    if not compare_digest(commitment, body[_COMMITMENT:_TAG]):
        raise DecryptionFailedError(NOT_AUTHENTIC, reason="commitment is another")
    if any(body[_ZEROS:_CIPHERTEXT]):
        raise DecryptionFailedError(NOT_AUTHENTIC, reason="reserved bytes are not zero")
    # Only now is the stored tag known to be ours; before this line it could be damaged.
    if not compare_digest(_context_tag(key, salt, header, context), tag):
        raise DecryptionFailedError(CONTEXT_MISMATCH, reason="context is another")
    return message_key


def _context_tag(key: bytes, salt: bytes, header: bytes, context: bytes) -> bytes:
    # The tag's own key is salted, so equal contexts do not show in their tags.
    mac = HMAC(derive(key, b"ctx", salt + header, 32), _SHA256)
    mac.update(context)
    return mac.finalize()[:16]


def _message_key(key: bytes, salt: bytes, header: bytes, tag: bytes) -> tuple[bytes, bytes]:
    both = derive(key, b"env", salt + header + tag, len(key) + 32)
    return both[: len(key)], both[len(key) :]
