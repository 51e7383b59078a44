"""A compact JWS (RFC 7515 §7.1), read strictly: one spelling, one algorithm, one key."""

from __future__ import annotations

import base64
import json
import re
from typing import Any, NoReturn

from jwt.algorithms import HMACAlgorithm

from aegis_kernel import Secret

MAX_TOKEN_BYTES = 8 * 1024

# Three parts of unpadded base64url: a header of at most 1 KiB, a payload, and 32 bytes of HS256.
_COMPACT = re.compile(rb"([A-Za-z0-9_-]{1,1024})\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})").fullmatch


class RefusedError(Exception):
    """Why a token is refused: a fixed text for the audit record, never a part of the token."""


class Verifier:
    """Checks signatures. PyJWT computes and compares; its own parser is not asked.

    `jwt.decode` would parse every token a second time, by looser rules, and examine the secret
    anew for each of them.
    """

    def __init__(self, secret: Secret) -> None:
        self._hs256 = HMACAlgorithm(HMACAlgorithm.SHA256)
        self._key = Secret(self._hs256.prepare_key(secret.reveal()))

    def claims(self, token: bytes) -> dict[str, Any]:
        """Return the claims of a token that the secret has signed. Raises RefusedError."""
        if len(token) > MAX_TOKEN_BYTES:
            raise RefusedError(f"token longer than {MAX_TOKEN_BYTES} bytes")
        parts = _COMPACT(token)
        if parts is None:
            raise RefusedError("token is not three parts of base64url")
        header, payload, signature = map(_decode, parts.groups())
        _check_header(_parse_object(header, "header"))
        signed = token[: parts.end(2)]
        if not self._hs256.verify(signed, self._key.reveal(), signature):
            raise RefusedError("signature does not match")
        return _parse_object(payload, "claims")


def _decode(part: bytes) -> bytes:
    try:
        decoded = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except ValueError:
        raise RefusedError("token is not canonical base64url") from None
    # Unused bits in the last character would give one token many spellings.
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part:
        raise RefusedError("token is not canonical base64url")
    return decoded


def _check_header(header: dict[str, Any]) -> None:
    """Accept HS256 and nothing that asks for more; `kid`, `jku`, `jwk`, `x5u`, `x5c` are not read."""
    if header.get("alg") != "HS256":
        raise RefusedError("algorithm is not HS256")
    if "crit" in header or "b64" in header:
        raise RefusedError("header has an extension")
    if header.get("typ", "JWT") not in ("JWT", "at+jwt"):
        raise RefusedError("typ is not JWT")


def _parse_object(text: bytes, name: str) -> dict[str, Any]:
    try:
        value = _JSON.decode(text.decode("utf-8"))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise RefusedError(f"{name} is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
