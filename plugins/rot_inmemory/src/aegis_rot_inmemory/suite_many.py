"""Suite 1 for many messages at once: those of one context share a salt, and so one message key.

The format is that of suite.py, and what opens one opens the other. Under a shared K every nonce must
be another: they count up from a random one, modulo 2^96, so that no two of fewer than 2^96 messages
are equal. K itself is never met again, since every call draws a new salt for every context.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aegis_kernel import NOT_AUTHENTIC, AegisError, DecryptionFailedError, Secret
from aegis_rot_inmemory import suite

_NONCE_BYTES = 12
_NONCES = 1 << 8 * _NONCE_BYTES


class _Shared:
    """One salt under one context: the message key, and the nonces still to be used."""

    def __init__(self, key: bytes, header: bytes, context: bytes) -> None:
        fresh = os.urandom(32 + _NONCE_BYTES)
        message_key, self._before, self._after = suite.begin_shared(
            key, header, context, fresh[:32]
        )
        self._gcm = AESGCM(message_key)
        self._nonce = int.from_bytes(fresh[32:], "big")
        self._header = header
        self._context = context

    def seal(self, plaintext: bytes) -> bytes:
        nonce = self._nonce.to_bytes(_NONCE_BYTES, "big")
        self._nonce = (self._nonce + 1) % _NONCES
        prefix = self._before + nonce + self._after
        aad = self._header + prefix + self._context
        return prefix + self._gcm.encrypt(nonce, plaintext, aad)


def seal_many(key: bytes, header: bytes, items: Sequence[tuple[Secret, bytes]]) -> list[bytes]:
    """Return for each (plaintext, context) what follows `header`, as `suite.seal` makes it."""
    shared: dict[bytes, _Shared] = {}
    sealed: list[bytes] = []
    for plaintext, context in items:
        if context not in shared:
            shared[context] = _Shared(key, header, context)
        sealed.append(shared[context].seal(plaintext.reveal()))
    return sealed


def unseal_many(
    key: bytes, header: bytes, items: Sequence[tuple[bytes, bytes]]
) -> list[Secret | AegisError]:
    """Return for each (body, context) what `suite.unseal` returns or raises.

    What a body must begin with, all but the nonce, is looked at once for all that have it.
    """
    admitted: dict[tuple[bytes, bytes, bytes], AESGCM] = {}
    ended: list[Secret | AegisError] = []
    for body, context in items:
        try:
            ended.append(Secret(_unseal(key, header, body, context, admitted)))
        except AegisError as error:
            ended.append(error)
    return ended


def _unseal(
    key: bytes,
    header: bytes,
    body: bytes,
    context: bytes,
    admitted: dict[tuple[bytes, bytes, bytes], AESGCM],
) -> bytes:
    suite.require_whole(body)
    before, nonce, after, sealed = suite.split(body)
    gcm = admitted.get((before, after, context))
    if gcm is None:
        gcm = AESGCM(suite.admit(key, header, body, context))
        admitted[before, after, context] = gcm
    try:
        return gcm.decrypt(nonce, sealed, header + before + nonce + after + context)
    except InvalidTag:
        raise DecryptionFailedError(NOT_AUTHENTIC, reason="ciphertext is damaged") from None
