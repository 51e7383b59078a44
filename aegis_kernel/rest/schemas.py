"""What everything that travels has in common: base types, texts, bytes, times.

A field that is optional in a request has the default UNSET; answers leave out what is unset.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from aegis_kernel.domain.context import MAX_BYTES, MAX_PAIRS
from aegis_kernel.domain.spec import NAME_MAX_CHARACTERS
from aegis_kernel.rest.codec import Base64

Value = TypeVar("Value")


class Wire(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, gc=False):
    """Base of everything that travels. Its `repr` shows no values: some of them are secrets."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<redacted>)"


class Query(Wire, frozen=True):
    """Base of what travels in a query string."""


class Nothing(Query, frozen=True):
    """What an endpoint takes that has neither body nor parameters."""


class DryRunView(Wire, frozen=True):
    """Whether the operation would be allowed, and by or against what. Nothing was done."""

    allowed: bool
    reason: str


class Ciphertext(Base64):
    """64 KiB of plaintext, and room for what any root of trust puts before and after it."""

    max_bytes: ClassVar[int] = 72 * 1024


class ShortBase64(Base64):
    """Signatures and wrapped keys."""

    max_bytes: ClassVar[int] = 9 * 1024


def text(least: int, most: int, pattern: str = r"^[^\x00]*$") -> Meta:
    # The codec refuses NUL in all text, cheaper than a pattern could; here it is only said.
    return Meta(min_length=least, max_length=most, extra_json_schema={"pattern": pattern})


Name = Annotated[str, text(1, NAME_MAX_CHARACTERS)]
Description = Annotated[str, text(0, 1024)]
Reason = Annotated[str, text(1, 1024)]
RootName = Annotated[str, text(1, 64)]
# A list is filtered by `tag=key` or `tag=key=value`, so a key holds no "="; aegis/ is the kernel's.
TagKey = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^(?!aegis/)[^=\x00]*$")]
Tags = Annotated[dict[TagKey, Annotated[str, text(0, 256)]], Meta(max_length=64)]
ContextText = Annotated[str, text(0, MAX_BYTES)]
Context = Annotated[dict[ContextText, ContextText], Meta(max_length=MAX_PAIRS)]
KeyBytes = Annotated[
    Base64,
    Meta(description="16 to 4096 bytes.", extra_json_schema={"minLength": 24, "maxLength": 5464}),
]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]


def or_unset(value: Value | None) -> Value | UnsetType:
    return UNSET if value is None else value


def or_none(value: Value | UnsetType) -> Value | None:
    return None if value is UNSET else value


def or_default(value: Value | UnsetType, default: Value) -> Value:
    return default if value is UNSET else value


def wire_time(at: datetime) -> datetime:
    """Return the time as answers show it: whole seconds."""
    return at.replace(microsecond=0)


def wire_time_or_unset(at: datetime | None) -> datetime | UnsetType:
    return UNSET if at is None else at.replace(microsecond=0)
