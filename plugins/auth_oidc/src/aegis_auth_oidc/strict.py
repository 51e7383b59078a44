"""JSON and base64url as tokens, keys and issuers' documents must spell them: one way each."""

from __future__ import annotations

import base64
import json
from typing import Any, NoReturn


class RefusedError(Exception):
    """Why a token is refused: a fixed text for the audit record, never a part of the token."""


def parse_object(text: bytes) -> dict[str, Any]:
    """Return the JSON object (RFC 8259) in `text`, UTF-8 without a byte order mark.

    Raises ValueError for anything else, and for duplicate members, NaN, Infinity and nesting
    beyond what Python's stack takes. Its own messages quote the text: pass none of them on.
    """
    try:
        value = _JSON.decode(text.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004
    return value


def decode_base64url(part: bytes) -> bytes:
    """Return the bytes of unpadded base64url (RFC 7515 §2). Raises ValueError for other spellings."""
    decoded = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    # Unused bits in the last character would give one token many spellings.
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part:
        raise ValueError("not canonical base64url")
    return decoded


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
