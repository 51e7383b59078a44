"""A compact JWS (RFC 7515 §7.1), read strictly: one spelling, one algorithm, one key."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Any, NoReturn

from jwt.algorithms import HMACAlgorithm

from aegis_kernel import Secret

MAX_TOKEN_BYTES = 8 * 1024

# Three parts of unpadded base64url: a header of at most 1 KiB, a payload, a signature.
_COMPACT = re.compile(rb"([A-Za-z0-9_-]{1,1024})\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)").fullmatch
_HS256_BYTES = 32

# RFC 7518 §3.1, RFC 8037 and RFC 9864: signed with a private key, so never with a shared secret.
_OF_KEY_PAIRS = frozenset(
    {f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512)}
    | {"ES256K", "EdDSA", "Ed25519", "Ed448"}
)


class RefusedError(Exception):
    """Why a token is refused: a fixed text for the audit record, never a part of the token."""


class Verifier:
    """Checks signatures. PyJWT computes and compares; its own parser is not asked.

    `jwt.decode` would parse every token a second time, by looser rules, and examine the secret
    anew for each of them.
    """

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._hs256 = HMACAlgorithm(HMACAlgorithm.SHA256)
        self._keys = [Secret(self._hs256.prepare_key(secret.reveal())) for secret in secrets]

    def claims(self, token: bytes) -> dict[str, Any] | None:
        """Return the claims of a token that one of the secrets has signed.

        Returns None for a token signed with a private key: it is somebody else's to judge. Raises
        RefusedError for every other.
        """
        if len(token) > MAX_TOKEN_BYTES:
            raise RefusedError(f"token longer than {MAX_TOKEN_BYTES} bytes")
        parts = _COMPACT(token)
        if parts is None:
            raise RefusedError("token is not three parts of base64url")
        header, payload, signature = map(_decode, parts.groups())
        if not _is_ours(_parse_object(header, "header")):
            return None
        if not self._is_signed(token[: parts.end(2)], signature):
            raise RefusedError("signature does not match")
        return _parse_object(payload, "claims")

    def _is_signed(self, signed: bytes, signature: bytes) -> bool:
        if len(signature) != _HS256_BYTES:
            return False
        # Every secret is tried, whichever fits: the time tells nothing of which it was.
        fits = [self._hs256.verify(signed, key.reveal(), signature) for key in self._keys]
        return any(fits)


def _decode(part: bytes) -> bytes:
    try:
        decoded = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except ValueError:
        raise RefusedError("token is not canonical base64url") from None
    # Unused bits in the last character would give one token many spellings.
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part:
        raise RefusedError("token is not canonical base64url")
    return decoded


def _is_ours(header: dict[str, Any]) -> bool:
    """Return whether it is for us to judge: HS256 is, and nothing that asks for more.

    `kid`, `jku`, `jwk`, `x5u` and `x5c` are not read.
    """
    algorithm = header.get("alg")
    if isinstance(algorithm, str) and algorithm in _OF_KEY_PAIRS:
        return False
    if algorithm != "HS256":
        raise RefusedError("algorithm is not HS256")
    if "crit" in header or "b64" in header:
        raise RefusedError("header has an extension")
    if header.get("typ", "JWT") not in ("JWT", "at+jwt"):
        raise RefusedError("typ is not JWT")
    return True


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
