"""The settings: one issuer in variables, or several in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import msgspec

from aegis_auth_oidc.keys import ALGORITHMS
from aegis_auth_oidc.rules import IssuerRules, mistakes_together, parse_map, settled
from aegis_auth_oidc.strict import parse_object
from aegis_kernel import BootError, SettingsSection

PREFIX = "AEGIS_AUTH_OIDC"
MAX_FILE_BYTES = 256 * 1024

# What describes one issuer; with a file, the file says it of each.
_OF_ONE_ISSUER = (
    "issuer",
    "audience",
    "algorithms",
    "subject_claim",
    "subject_prefix",
    "groups_claim",
    "groups_prefix",
    "groups_map",
    "service_claim",
    "service_value",
    "leeway_seconds",
    "max_ttl_seconds",
)


class OidcSettings(SettingsSection, frozen=True, kw_only=True):
    """Variables that begin with AEGIS_AUTH_OIDC. Times in seconds."""

    prefix: ClassVar[str] = PREFIX

    issuer: str | None = None
    audience: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ALGORITHMS
    subject_claim: str = "sub"
    subject_prefix: str | None = None
    groups_claim: str = "groups"
    groups_prefix: str | None = None
    groups_map: tuple[str, ...] = ()
    service_claim: str | None = None
    service_value: str | None = None
    leeway_seconds: int = 30
    max_ttl_seconds: int = 24 * 3600
    issuers_file: Path | None = None
    ca_file: Path | None = None
    allow_http: bool = False
    refresh_seconds: float = 300.0
    stale_seconds: float = 24 * 3600.0

    def __post_init__(self) -> None:
        mistakes = "\n".join(self._mistakes())
        if mistakes:
            raise ValueError(mistakes)

    def issuers(self) -> tuple[IssuerRules, ...]:
        """Return the rules of every issuer, prefixes settled; reads the file.

        Raises BootError with a line for every mistake in it.
        """
        if self.issuers_file is None:
            return settled([self._only_issuer()])
        listed = _read_file(self.issuers_file)
        found = settled(listed)
        lines = [
            f"{rules.name}: {mistake}"
            for rules in found
            for mistake in rules.mistakes(self.allow_http)
        ]
        lines += mistakes_together(found)
        if lines:
            raise BootError("\n".join(f"{PREFIX}_ISSUERS_FILE: {line}" for line in lines))
        return found

    def _mistakes(self) -> Iterator[str]:
        if not 1 <= self.refresh_seconds <= 3600:
            yield f"{PREFIX}_REFRESH_SECONDS must be 1 to 3600"
        if not self.refresh_seconds <= self.stale_seconds <= 7 * 24 * 3600:
            yield f"{PREFIX}_STALE_SECONDS must be at least {PREFIX}_REFRESH_SECONDS, at most 604800"
        if self.issuers_file is not None:
            yield from self._said_twice()
        elif self.issuer is None:
            yield f"{PREFIX}_ISSUER must be set, or {PREFIX}_ISSUERS_FILE for several"
        else:
            yield from self._of_the_only_issuer()

    def _said_twice(self) -> Iterator[str]:
        defaults = {field.name: field.default for field in msgspec.structs.fields(self)}
        for name in _OF_ONE_ISSUER:
            if getattr(self, name) != defaults[name]:
                yield f"{PREFIX}_{name.upper()} belongs into {PREFIX}_ISSUERS_FILE, which is set"

    def _of_the_only_issuer(self) -> Iterator[str]:
        try:
            rules = self._only_issuer()
        except ValueError as error:
            yield f"{PREFIX}_GROUPS_MAP {error}"
            return
        for mistake in rules.mistakes(self.allow_http):
            field, _, rest = mistake.partition(" ")
            yield f"{PREFIX}_{field.upper()} {rest}"

    def _only_issuer(self) -> IssuerRules:
        said = {name: getattr(self, name) for name in _OF_ONE_ISSUER}
        said["groups_map"] = parse_map(self.groups_map)
        return IssuerRules(name="oidc", **said)


def _read_file(path: Path) -> list[IssuerRules]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BootError(f"{PREFIX}_ISSUERS_FILE cannot be read: {error.strerror}") from None
    if len(text) > MAX_FILE_BYTES:
        raise BootError(f"{PREFIX}_ISSUERS_FILE is longer than {MAX_FILE_BYTES} bytes")
    try:
        # Twice: the strict parser sees duplicate members, the decoder wrong and unknown fields.
        parse_object(text)
        return msgspec.json.decode(text, type=_IssuersFile).issuers
    except (ValueError, msgspec.MsgspecError) as error:
        raise BootError(f"{PREFIX}_ISSUERS_FILE is not as it must be: {error}") from None


class _IssuersFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    issuers: list[IssuerRules]
