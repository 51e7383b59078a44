"""What the claims of a token must say (RFC 7519 §4, RFC 9068 §4), and who that makes the caller."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from aegis_auth_oidc.rules import IssuerRules
from aegis_auth_oidc.strict import RefusedError
from aegis_kernel import Authenticated, Principal, PrincipalKind, is_subject

MAX_GROUPS = 256
MAX_AUDIENCES = 64

_SYSTEM = "aegis"
_AGENT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_END_OF_YEAR_9999 = 253_402_300_799


class ClaimRules:
    """Judges the claims of one issuer. `foreign_prefixes` begin the subjects of the others."""

    def __init__(self, rules: IssuerRules, foreign_prefixes: Sequence[str] = ()) -> None:
        self._rules = rules
        self._audience = frozenset(rules.audience)
        self._foreign = tuple(foreign_prefixes)

    def authenticated(self, claims: Mapping[str, Any], now: float) -> Authenticated:
        """Return whom `claims` name, if they hold at `now`. Raises RefusedError."""
        self._check_audience(claims)
        if "cnf" in claims:
            # RFC 9449 §7.2: such a token is worth nothing without the proof that goes with it.
            raise RefusedError("bound to a key that a bearer token does not show")
        end = self._end(claims, now)
        subject = self._subject(claims)
        return Authenticated(
            Principal(subject=subject, kind=self._kind(claims), groups=self._groups(claims)), end
        )

    def _check_audience(self, claims: Mapping[str, Any]) -> None:
        audience: Any = claims.get("aud")
        named = [audience] if isinstance(audience, str) else audience
        if not isinstance(named, list) or not 0 < len(named) <= MAX_AUDIENCES:
            raise RefusedError("aud is not an audience")
        if not all(isinstance(each, str) for each in named):
            raise RefusedError("aud is not an audience")
        if self._audience.isdisjoint(named):
            raise RefusedError("aud names another service")

    def _end(self, claims: Mapping[str, Any], now: float) -> float:
        """Return the moment from which the token no longer holds."""
        leeway = self._rules.leeway_seconds
        expires = _moment(claims, "exp")
        end = expires + leeway
        if now >= end:
            raise RefusedError("expired")
        if "nbf" in claims and now < _moment(claims, "nbf") - leeway:
            raise RefusedError("not yet valid")
        issued = _moment(claims, "iat") if "iat" in claims else now
        if issued > now + leeway:
            raise RefusedError("issued in the future")
        if expires - issued > self._rules.max_ttl_seconds:
            raise RefusedError("lives too long")
        return end

    def _subject(self, claims: Mapping[str, Any]) -> str:
        name = claims.get(self._rules.subject_claim)
        if not all(isinstance(each, str) and each for each in (name, claims.get("sub"))):
            raise RefusedError("no subject")
        subject = f"{self._rules.subject_prefix or ''}{name}"
        if not is_subject(subject):
            raise RefusedError("the subject is not 1 to 256 visible ASCII characters")
        if subject == _SYSTEM or subject.startswith(self._foreign):
            raise RefusedError("the subject is somebody else's")
        # Issuers choose `sub`; other claims, such as a nickname, may be the user's own choice.
        if self._rules.subject_claim != "sub" and _AGENT_ID(subject):
            raise RefusedError("the subject looks like an agent's")
        return subject

    def _kind(self, claims: Mapping[str, Any]) -> PrincipalKind:
        path, value = self._rules.service_claim, self._rules.service_value
        found = None if path is None else _at(claims, path)
        if found is None:
            return PrincipalKind.HUMAN
        spelt = str(found).lower() if isinstance(found, bool) else found
        return PrincipalKind.SERVICE if value in (None, spelt) else PrincipalKind.HUMAN

    def _groups(self, claims: Mapping[str, Any]) -> frozenset[str]:
        path = self._rules.groups_claim
        elsewhere = claims.get("_claim_names")
        if isinstance(elsewhere, dict) and path in elsewhere:
            raise RefusedError("the groups are too many to be in the token")
        listed = _at(claims, path)
        named = [listed] if isinstance(listed, str) else [] if listed is None else listed
        if not isinstance(named, list) or len(named) > MAX_GROUPS:
            raise RefusedError(f"the groups are not a list of at most {MAX_GROUPS}")
        if not all(isinstance(each, str) for each in named):
            raise RefusedError("the groups have something that is not a group")
        return frozenset(group for each in named if is_subject(group := self._group(each)))

    def _group(self, external: str) -> str:
        """Return what the group is called here; "" for one that is unknown here."""
        if self._rules.groups_map:
            return self._rules.groups_map.get(external, "")
        return f"{self._rules.groups_prefix or ''}{external}" if external else ""


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """Return the claim called `path`, or else the one that the dotted path leads to, or None."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for step in path.split("."):
        if not isinstance(found, dict) or step not in found:
            return None
        found = found[step]
    return found


def _moment(claims: Mapping[str, Any], name: str) -> float:
    """Return that claim as seconds since the Unix epoch: a number of the years 1970 to 9999."""
    value: Any = claims.get(name)
    # `type` and not isinstance: a bool is an int to Python. The range also refuses 1e999.
    if type(value) not in (int, float) or not 0 <= value <= _END_OF_YEAR_9999:
        raise RefusedError(f"{name} is not a time")
    return float(value)
