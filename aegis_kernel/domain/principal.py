"""Who asks: a human, a service or an agent, named by a subject and its groups."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

# The kernel itself, in audit records and as the owner of system keys; nobody else is called so.
SYSTEM_SUBJECT = "aegis"

# Visible ASCII only: a subject is compared bytewise and printed in audit records.
_SUBJECT = re.compile(r"[\x21-\x7e]{1,256}").fullmatch


class PrincipalKind(StrEnum):
    """As audit records spell it; Unknown is whoever failed to authenticate."""

    HUMAN = "Human"
    SERVICE = "Service"
    AGENT = "Agent"
    UNKNOWN = "Unknown"


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated caller. `subject` is its id; groups come from the authenticator alone.

    An agent has no groups: the kernel decides by those of the principal that it acts for.
    """

    subject: str
    kind: PrincipalKind
    groups: frozenset[str] = frozenset()


def is_subject(text: str) -> bool:
    """Return whether `text` may name a principal: 1 to 256 visible ASCII characters."""
    return _SUBJECT(text) is not None
