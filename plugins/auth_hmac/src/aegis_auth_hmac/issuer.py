"""Issues the tokens that the authenticator accepts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from datetime import timedelta

import jwt

from aegis_auth_hmac.claims import KINDS, MAX_GROUPS
from aegis_auth_hmac.jws import MAX_TOKEN_BYTES
from aegis_auth_hmac.settings import require_strong
from aegis_kernel import Secret, is_subject


class JwtIssuer:
    """Issues HS256 bearer tokens: `JwtIssuer.hmac(secret).issue("alice", {"admins"}, ttl)`."""

    def __init__(self, secret: Secret, now: Callable[[], float]) -> None:
        require_strong(secret)
        self._secret = secret
        self._now = now

    @classmethod
    def hmac(
        cls, secret: str | bytes | Secret, *, now: Callable[[], float] = time.time
    ) -> JwtIssuer:
        """Return an issuer for the value of AEGIS_AUTH_HMAC_SECRET; text is taken as UTF-8.

        Raises ValueError, with the remedy, for a secret that the server would refuse.
        """
        if isinstance(secret, str):
            secret = secret.encode()
        return cls(Secret(secret) if isinstance(secret, bytes) else secret, now)

    def issue(
        self,
        subject: str,
        groups: Iterable[str],
        ttl: timedelta | float,
        *,
        kind: str = "human",
    ) -> str:
        """Return a token that holds for `ttl` (a number is seconds), rounded up to a second.

        `kind` is "human" or "service". Raises ValueError, with the remedy, for anything that no
        server would accept, and TypeError for groups given as one string. A server also bounds the life of a token (24 hours by default).
        """
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        if not is_subject(subject):
            raise ValueError("subject must be 1 to 256 visible ASCII characters")
        issued = int(self._now())
        claims = {
            "sub": subject,
            "iat": issued,
            "exp": issued + _whole_seconds(ttl),
            "aegis_kind": kind,
            "aegis_groups": _checked_groups(groups),
        }
        token = jwt.encode(claims, self._secret.reveal(), algorithm="HS256")
        if len(token) > MAX_TOKEN_BYTES:
            raise ValueError(
                f"the token would be longer than {MAX_TOKEN_BYTES} bytes: name fewer groups"
            )
        return token


def _whole_seconds(ttl: timedelta | float) -> int:
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError("ttl must be longer than 0 seconds")
    return math.ceil(seconds)


def _checked_groups(groups: Iterable[str]) -> list[str]:
    # A string is an iterable of its characters: groups="admins" would grant six odd groups.
    if isinstance(groups, str):
        raise TypeError('groups must be a set of names, such as {"admins"}')
    names = sorted(set(groups))
    if len(names) > MAX_GROUPS or not all(map(is_subject, names)):
        raise ValueError(f"groups must be at most {MAX_GROUPS} names of visible ASCII characters")
    return names
