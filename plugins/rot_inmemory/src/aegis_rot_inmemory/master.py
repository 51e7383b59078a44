"""The master key: 32 random bytes that everything else hangs from."""

from __future__ import annotations

import binascii
import secrets

import msgspec

from aegis_kernel import Secret
from aegis_rot_inmemory.kdf import derive

_BYTES = 32
_FINGERPRINT_BYTES = 8
MOST_KEYS = 8
# 32 random bytes have fewer distinct values than this less often than once in 2¹¹⁰.
_LEAST_DISTINCT = 8


class Wrapping(msgspec.Struct, frozen=True):
    """What follows from a master key: the key that seals material, and a name that reveals nothing.

    `statement_key` vouches for what is said about the material, such as a backup's manifest.
    """

    key: Secret
    statement_key: Secret
    fingerprint: str


def wrapping_of(master: Secret) -> Wrapping:
    """Return what `master` makes; labels of their own keep the key and its name independent."""
    return Wrapping(
        key=Secret(derive(master.reveal(), b"wrapping key", b"", _BYTES)),
        statement_key=Secret(derive(master.reveal(), b"statement key", b"", _BYTES)),
        fingerprint=derive(master.reveal(), b"fingerprint", b"", _FINGERPRINT_BYTES).hex(),
    )


def new_master_key() -> Secret:
    """Return a fresh master key, from the operating system."""
    return Secret(secrets.token_bytes(_BYTES))


def encode(master: Secret) -> bytes:
    """Return the text of `master`: base64 and a newline, as `openssl rand -base64 32` writes it."""
    return binascii.b2a_base64(master.reveal())


def decode(text: Secret) -> Secret:
    """Return the master key that `text` spells, with or without its newline.

    Raises ValueError, which completes a sentence and shows nothing of the text, for other
    spellings, other lengths, and bytes that cannot be random.
    """
    master = Secret(_base64(text.reveal().removesuffix(b"\n")))
    if len(master) != _BYTES:
        raise ValueError("must be 32 bytes in base64; `openssl rand -base64 32` makes them")
    if len(set(master.reveal())) < _LEAST_DISTINCT:
        raise ValueError("must be random; `openssl rand -base64 32` makes such a key")
    return master


def decode_all(text: Secret) -> tuple[Secret, ...]:
    """Return the master keys of a file: a line each, the newest first. Raises ValueError as `decode`."""
    lines = text.reveal().removesuffix(b"\n").split(b"\n")
    masters = tuple(decode(Secret(line)) for line in lines)
    if len(masters) > MOST_KEYS:
        raise ValueError(f"must hold {MOST_KEYS} master keys at most, a line each")
    if len({wrapping_of(master).fingerprint for master in masters}) < len(masters):
        raise ValueError("must not hold one master key twice")
    return masters


def _base64(text: bytes) -> bytes:
    """Return the decoded bytes, or none if this is not the one spelling of them."""
    try:
        decoded = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        return b""
    return decoded if binascii.b2a_base64(decoded, newline=False) == text else b""
