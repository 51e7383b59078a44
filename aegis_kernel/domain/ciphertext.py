"""The 25-byte header in front of every ciphertext; the kernel writes it and routes by it.

    0 format 01 | 1 suite | 2 kind | 3-4 length of all that precedes the ciphertext | 5-20 key id
    | 21-24 version          (integers big-endian)

The root of trust that made the ciphertext binds these bytes; a changed header does not decrypt.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from uuid import UUID

import msgspec

from aegis_kernel.domain.errors import DecryptionFailedError
from aegis_kernel.domain.key import KeyId

HEADER_BYTES = 25
FORMAT = 1

NOT_AUTHENTIC = "Ciphertext is not authentic for this key"
CONTEXT_MISMATCH = "EncryptionContext mismatch — refusing to decrypt"


class Kind(IntEnum):
    """What is inside: data from `encrypt`, a key from `wrap`, a secret from `encapsulate`."""

    DATA = 1
    WRAPPED_KEY = 2
    MATERIAL = 3
    ENCAPSULATED = 4


class CiphertextFormat(StrEnum):
    """AEGIS begins with our header. RAW has none: somebody made it with the public key alone,
    with an empty OAEP label or HPKE info, and says which version it is for."""

    AEGIS = "aegis"
    RAW = "raw"


class Suite(msgspec.Struct, frozen=True):
    """A root of trust's ciphertext format: its number, and the bytes before the ciphertext."""

    number: int
    prefix_bytes: int


class Header(msgspec.Struct, frozen=True):
    """A parsed header."""

    suite: Suite
    kind: int
    key_id: KeyId
    version: int

    def encode(self) -> bytes:
        """Return the header's 25 bytes."""
        return b"".join(
            (
                bytes((FORMAT, self.suite.number, self.kind)),
                self.suite.prefix_bytes.to_bytes(2, "big"),
                UUID(self.key_id).bytes,
                self.version.to_bytes(4, "big"),
            )
        )


def parse_header(ciphertext: bytes) -> Header:
    """Return the header of `ciphertext`; it is not yet authenticated, only routed by.

    Raises DecryptionFailedError when the bytes cannot be one of our ciphertexts.
    """
    if len(ciphertext) < HEADER_BYTES or ciphertext[0] != FORMAT:
        raise DecryptionFailedError(NOT_AUTHENTIC, reason="not a ciphertext of ours")
    return Header(
        suite=Suite(ciphertext[1], int.from_bytes(ciphertext[3:5], "big")),
        kind=ciphertext[2],
        key_id=KeyId(str(UUID(bytes=ciphertext[5:21]))),
        version=int.from_bytes(ciphertext[21:25], "big"),
    )
