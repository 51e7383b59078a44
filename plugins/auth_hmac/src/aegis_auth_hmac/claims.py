"""What the claims of a signed token must say (RFC 7519 §4), and who that makes the caller."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from aegis_auth_hmac.jws import RefusedError
from aegis_kernel import Authenticated, Principal, PrincipalKind, is_subject

MAX_GROUPS = 64

KINDS: Mapping[str, PrincipalKind] = MappingProxyType(
    {"human": PrincipalKind.HUMAN, "service": PrincipalKind.SERVICE}
)

_END_OF_YEAR_9999 = 253_402_300_799


class Rules(NamedTuple):
    """How long a token may live, and how far two clocks may differ."""

    max_ttl_seconds: float
    leeway_seconds: float

    def authenticated(self, claims: Mapping[str, Any], now: float) -> Authenticated:
        """Return whom `claims` name, if they hold at `now`. Raises RefusedError."""
        # RFC 7519 §4.1.3: a token for an audience is refused by whoever is not in it.
        if "aud" in claims:
            raise RefusedError("aud names another service")
        principal = _principal(claims)
        return Authenticated(principal, self._end(claims, now))

    def _end(self, claims: Mapping[str, Any], now: float) -> float:
        """Return the moment from which the token no longer holds."""
        expires = _moment(claims, "exp")
        end = expires + self.leeway_seconds
        if now >= end:
            raise RefusedError("expired")
        if "nbf" in claims and now < _moment(claims, "nbf") - self.leeway_seconds:
            raise RefusedError("not yet valid")
        issued = _moment(claims, "iat") if "iat" in claims else now
        if issued > now + self.leeway_seconds:
            raise RefusedError("issued in the future")
        if expires - issued > self.max_ttl_seconds:
            raise RefusedError("lives too long")
        return end


def _principal(claims: Mapping[str, Any]) -> Principal:
    subject = claims.get("sub")
    if not _is_name(subject):
        raise RefusedError("sub is not a subject")
    kind = claims.get("aegis_kind", "human")
    if not isinstance(kind, str) or kind not in KINDS:
        raise RefusedError("aegis_kind is not human or service")
    groups = claims.get("aegis_groups", [])
    if not isinstance(groups, list) or len(groups) > MAX_GROUPS:
        raise RefusedError(f"aegis_groups is not a list of at most {MAX_GROUPS}")
    if not all(map(_is_name, groups)):
        raise RefusedError("aegis_groups has something that is not a group")
    return Principal(subject=str(subject), kind=KINDS[kind], groups=frozenset(groups))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and is_subject(value)


def _moment(claims: Mapping[str, Any], name: str) -> float:
    """Return that claim as seconds since the Unix epoch: a number of the years 1970 to 9999."""
    value: Any = claims.get(name)
    # `type` and not isinstance: a bool is an int to Python. The range also refuses 1e999.
    if type(value) not in (int, float) or not 0 <= value <= _END_OF_YEAR_9999:
        raise RefusedError(f"{name} is not a time")
    return float(value)
