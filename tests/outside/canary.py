"""Every way in which bytes may be spelled where they should not be."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from urllib.parse import quote_from_bytes

# Fewer bytes could be there by chance.
LEAST_BYTES = 12


def leaks(haystack: bytes, canaries: Mapping[str, bytes]) -> list[str]:
    """Return "<which canary>, <how spelled>" for each that is found."""
    return [
        f"{name}, {how}"
        for name, canary in canaries.items()
        for how, spelled in spellings(canary)
        if spelled in haystack
    ]


def spellings(secret: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (how, bytes) for each spelling that a program may choose or stumble into."""
    assert len(secret) >= LEAST_BYTES
    yield "raw", secret
    yield "reversed", secret[::-1]
    yield "hexadecimal", secret.hex().encode()
    yield "hexadecimal in capitals", secret.hex().upper().encode()
    yield "in a repr", repr(secret)[2:-1].encode()
    yield "in a URL", quote_from_bytes(secret).encode()
    yield "as numbers", ",".join(map(str, secret)).encode()
    yield "as numbers, with spaces", ", ".join(map(str, secret)).encode()
    for offset, start in enumerate((0, 2, 3)):
        encoded = b64encode(bytes(offset) + secret)[start : (offset + len(secret)) * 8 // 6]
        yield f"base64 after {offset} bytes", encoded
        yield f"base64url after {offset} bytes", encoded.translate(bytes.maketrans(b"+/", b"-_"))
