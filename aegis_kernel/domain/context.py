"""The encryption context: the caller's string map, bound exactly, in any order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aegis_kernel.domain.errors import BadRequestError

MAX_PAIRS = 64
MAX_BYTES = 8 * 1024

_LABEL = b"aegis-ctx-v1\x00"
_EMPTY = _LABEL + bytes(4)


def have_pairs(contexts: Sequence[Mapping[str, str]], pairs: Mapping[str, str]) -> bool:
    """Return whether there are contexts that all have all `pairs`; no pairs ask for no context."""
    if not pairs:
        return True
    wanted = pairs.items()
    return bool(contexts) and all(wanted <= context.items() for context in contexts)


def canonical_bytes(context: Mapping[str, str] | None) -> bytes:
    """Return the one encoding of `context`: label, u32 count, then length-prefixed UTF-8 pairs.

    Pairs are sorted by the bytes of their key; nothing is normalised; absent is the same as empty.
    The encoding is injective: different contexts have different bytes. Raises BadRequestError above
    64 pairs or 8 KiB, and for text that is not Unicode.
    """
    if not context:
        return _EMPTY
    if len(context) > MAX_PAIRS:
        raise BadRequestError(f"An encryption context has at most {MAX_PAIRS} pairs")
    try:
        pairs = sorted((key.encode(), value.encode()) for key, value in context.items())
    except UnicodeEncodeError:
        raise BadRequestError("An encryption context is made of Unicode text") from None
    parts = [_LABEL, len(pairs).to_bytes(4, "big")]
    for key, value in pairs:
        parts += (len(key).to_bytes(4, "big"), key, len(value).to_bytes(4, "big"), value)
    encoded = b"".join(parts)
    if len(encoded) > MAX_BYTES:
        raise BadRequestError(f"An encryption context has at most {MAX_BYTES} bytes")
    return encoded
