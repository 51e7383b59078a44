"""An alias: a unique name for a key, and the stream of its own that says which key it names."""

from __future__ import annotations

import re
from datetime import datetime
from typing import final

import msgspec

from aegis_kernel.domain.key import KeyId

PREFIX = "alias:"
PATTERN = "[A-Za-z0-9/_.-]{1,128}"
RESERVED = "aegis/"

_is_name = re.compile(PATTERN).fullmatch


# Final, so that the hot path may ask `type(x) is Alias`: isinstance of a Struct costs 0.3 µs.
@final
class Alias(msgspec.Struct, frozen=True, gc=False):
    """The name of an alias: 1 to 128 of A-Z a-z 0-9 / _ . -, not beginning with `aegis/`."""

    name: str

    @property
    def stream(self) -> str:
        """The name of the stream that holds the alias's events."""
        return f"alias/{self.name}"

    def __str__(self) -> str:
        return PREFIX + self.name


class AliasSet(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="AliasSet"):
    """The alias names this key from now on."""

    at: datetime
    key_id: KeyId


class AliasDeleted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="AliasDeleted"):
    """The alias names no key from now on."""

    at: datetime


AliasEvent = AliasSet | AliasDeleted


class AliasTarget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fold of an alias's events: the key that it names, if any."""

    key_id: KeyId | None = None


def fold_alias(event: AliasEvent) -> AliasTarget:
    """Return what the alias names after `event`, whatever it named before."""
    return AliasTarget(key_id=event.key_id if isinstance(event, AliasSet) else None)


def parse_alias_name(text: str) -> Alias | None:
    """Return the alias called `text`, or None where no alias may be called so."""
    return Alias(text) if _is_name(text) and not text.startswith(RESERVED) else None


def parse_alias(text: str) -> Alias | None:
    """Return the alias that `text`, such as "alias:invoices", spells; None if it spells none."""
    return parse_alias_name(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else None
