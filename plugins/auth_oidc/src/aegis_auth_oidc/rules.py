"""What an operator says of one issuer: whom its tokens are for, and who they make the caller."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec

from aegis_auth_oidc.keys import ALGORITHMS
from aegis_kernel import is_subject

MAX_LEEWAY_SECONDS = 60
MAX_TTL_SECONDS = 365 * 24 * 3600
MAX_ISSUERS = 16

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}").fullmatch
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class IssuerRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One issuer: an object of the issuers file, or the variables of the simple case.

    Prefixes that are not set are empty for a single issuer, and `<name>:` for one of several.
    """

    name: str
    issuer: str
    audience: tuple[str, ...]
    algorithms: tuple[str, ...] = ALGORITHMS
    subject_claim: str = "sub"
    subject_prefix: str | None = None
    groups_claim: str = "groups"
    groups_prefix: str | None = None
    groups_map: dict[str, str] = {}
    service_claim: str | None = None
    service_value: str | None = None
    leeway_seconds: int = 30
    max_ttl_seconds: int = 24 * 3600

    def mistakes(self, allow_http: bool) -> Iterator[str]:
        """Yield what is wrong, with the remedy, each naming the field."""
        if not _NAME(self.name):
            yield "name must be 1 to 32 of a-z, 0-9, - and _"
        yield from _address_mistakes(self.issuer, allow_http)
        if not self.audience or not all(self.audience):
            yield "audience must name whom the tokens are for; without it any token would do"
        if not self.algorithms or set(self.algorithms) - set(ALGORITHMS):
            yield f"algorithms must be some of {', '.join(ALGORITHMS)}"
        if self.service_value is not None and self.service_claim is None:
            yield "service_value needs service_claim, which says whose value it is"
        yield from self._naming_mistakes()
        if not 0 <= self.leeway_seconds <= MAX_LEEWAY_SECONDS:
            yield f"leeway_seconds must be 0 to {MAX_LEEWAY_SECONDS}"
        if not 1 <= self.max_ttl_seconds <= MAX_TTL_SECONDS:
            yield f"max_ttl_seconds must be 1 to {MAX_TTL_SECONDS}"

    def _naming_mistakes(self) -> Iterator[str]:
        for field in ("subject_claim", "groups_claim"):
            if not getattr(self, field):
                yield f"{field} must name a claim"
        for field in ("subject_prefix", "groups_prefix"):
            prefix = getattr(self, field)
            if prefix and not is_subject(prefix):
                yield f"{field} must be visible ASCII characters"
        if not all(map(is_subject, self.groups_map.values())):
            yield "groups_map must lead to groups of 1 to 256 visible ASCII characters"


def settled(issuers: Sequence[IssuerRules]) -> tuple[IssuerRules, ...]:
    """Return the issuers with the prefixes that are in force."""
    if len(issuers) == 1:
        return tuple(_with_prefixes(rules, "") for rules in issuers)
    return tuple(_with_prefixes(rules, f"{rules.name}:") for rules in issuers)


def mistakes_together(issuers: Sequence[IssuerRules]) -> Iterator[str]:
    """Yield what is wrong of settled `issuers` beside each other: nothing may stand for two."""
    if not 1 <= len(issuers) <= MAX_ISSUERS:
        yield f"there must be 1 to {MAX_ISSUERS} issuers"
    for field in ("name", "issuer", "subject_prefix"):
        values = [getattr(rules, field) for rules in issuers]
        for value in sorted({value for value in values if values.count(value) > 1}):
            yield f"two issuers have the {field} {value!r}; give each its own"


def is_allowed_address(url: str, allow_http: bool) -> bool:
    """Return whether keys may come from `url`: https, or http on this machine or where allowed."""
    try:
        parts = urlsplit(url)
        named, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not named or not is_subject(url[:256]) or not url.isascii() or not url.isprintable():
        return False
    if parts.username is not None or parts.password is not None or parts.fragment or " " in url:
        return False
    return parts.scheme == "https" or (
        parts.scheme == "http" and (allow_http or named in _LOOPBACK)
    )


def _address_mistakes(issuer: str, allow_http: bool) -> Iterator[str]:
    if not is_allowed_address(issuer, allow_http) or "?" in issuer:
        yield (
            "issuer must be an https address without a query, spelt as tokens spell `iss` "
            "(http on loopback, or with AEGIS_AUTH_OIDC_ALLOW_HTTP=true)"
        )


def _with_prefixes(rules: IssuerRules, default: str) -> IssuerRules:
    subject, groups = rules.subject_prefix, rules.groups_prefix
    return msgspec.structs.replace(
        rules,
        subject_prefix=default if subject is None else subject,
        groups_prefix=default if groups is None else groups,
    )


def parse_map(pairs: Sequence[str]) -> Mapping[str, str]:
    """Return {external: internal} of texts such as `kms-admins=admins`. Raises ValueError."""
    found: dict[str, str] = {}
    for pair in pairs:
        external, equals, internal = pair.rpartition("=")
        if not (external and equals and internal) or external in found:
            raise ValueError("must be pairs external=internal, each external group once")
        found[external] = internal
    return found
