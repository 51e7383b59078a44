"""A compact JWS (RFC 7515 §7.1), read strictly, and believed by nobody before it is verified."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from aegis_auth_oidc.strict import RefusedError, decode_base64url, parse_object

MAX_TOKEN_BYTES = 8 * 1024
MAX_KID_CHARACTERS = 256

# Three parts of unpadded base64url, the header of at most 1 KiB; `alg: none` has an empty third.
_COMPACT = re.compile(rb"([A-Za-z0-9_-]{1,1024})\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)").fullmatch
_TYPES = frozenset({"jwt", "at+jwt"})


class Unverified(msgspec.Struct, frozen=True, gc=False):
    """What a token says of itself. Nothing in it may be believed yet, except to ask who judges it."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes

    @property
    def algorithm(self) -> object:
        return self.header.get("alg")

    @property
    def issuer(self) -> object:
        return self.claims.get("iss")

    @property
    def kid(self) -> str | None:
        """The name of its key, if it gives one. Raises RefusedError unless it is a short text.

        `jku`, `jwk`, `x5u` and `x5c` are never read: keys come from the issuer alone.
        """
        kid = self.header.get("kid")
        if kid is not None and not (isinstance(kid, str) and len(kid) <= MAX_KID_CHARACTERS):
            raise RefusedError("kid is not a short text")
        return kid

    def check_header(self) -> None:
        """Raise RefusedError for extensions, and for what is no access or identity token."""
        if "crit" in self.header or "b64" in self.header:
            raise RefusedError("header has an extension")
        kind = self.header.get("typ", "JWT")
        # RFC 7515 §4.1.9: a media type, so upper and lower case are one, and the prefix may be left out.
        if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
            raise RefusedError("typ is not JWT or at+jwt")


def read_token(token: bytes) -> Unverified | None:
    """Return the parts of `token`, or None if it is no JWS at all, so somebody else's credential.

    Raises RefusedError for one that is too long or not spelt as it must be.
    """
    parts = _COMPACT(token)
    if parts is None:
        return None
    if len(token) > MAX_TOKEN_BYTES:
        raise RefusedError(f"token longer than {MAX_TOKEN_BYTES} bytes")
    try:
        header, payload, signature = map(decode_base64url, parts.groups())
    except ValueError:
        raise RefusedError("token is not canonical base64url") from None
    return Unverified(
        header=_object(header, "header"),
        claims=_object(payload, "claims"),
        signed=token[: parts.end(2)],
        signature=signature,
    )


def _object(text: bytes, name: str) -> dict[str, Any]:
    try:
        return parse_object(text)
    except ValueError:
        raise RefusedError(f"{name} is not a JSON object") from None
