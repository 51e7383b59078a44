"""A grant: the use of one key, given to one principal; kept in the key's own stream.

How often a counted grant was used stands in a stream of its own, `grant/<id>`, whose fold is here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NewType

import msgspec
from msgspec.structs import replace

from aegis_kernel.domain.context import have_pairs
from aegis_kernel.domain.lifecycle import USAGES, Operation

GrantId = NewType("GrantId", str)

# What can be granted: the use of a key, and what is public about it. Never its administration.
GRANTABLE = frozenset(USAGES) | {Operation.GET, Operation.GET_PUBLIC_KEY}

# Not recorded when they succeed, so there is no commit that could count them.
UNCOUNTED = frozenset({Operation.GET, Operation.GET_PUBLIC_KEY})

MAX_GRANTS = 100
MAX_USES = 1_000_000
MAX_TTL_SECONDS = 10 * 365 * 24 * 3600
MAX_PAIRS = 8
PAIR_MAX_CHARACTERS = 128

_CANONICAL_ID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
).fullmatch


class Grant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`grantee` may do `operations`, where every encryption context has all pairs of `context`.

    From `expires_at` or `retired_at` on it gives no right; one with `max_uses` gives so many. All
    times are UTC. `created_by` is the subject of whoever gave it.
    """

    id: GrantId
    grantee: str
    operations: tuple[Operation, ...]
    created_at: datetime
    created_by: str
    context: Mapping[str, str] = {}
    expires_at: datetime | None = None
    max_uses: int | None = None
    retired_at: datetime | None = None

    @property
    def stream(self) -> str:
        return grant_stream(self.id)

    def ended(self, now: float) -> str | None:
        """Return why it gives no right at `now` (seconds since the Unix epoch), None while it does.

        Whether it is used up stands in its own stream.
        """
        if self.retired_at is not None:
            return "retired"
        if self.expires_at is not None and now >= self.expires_at.timestamp():
            return "expired"
        return None

    def refuses(self, contexts: Sequence[Mapping[str, str]], now: float) -> str | None:
        """Return why it does not allow a request with these contexts at `now`, None where it does."""
        ended = self.ended(now)
        if ended is not None:
            return ended
        return None if have_pairs(contexts, self.context) else "is for another context"


class GrantUsed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="GrantUsed"):
    """So many uses were released with the commit that holds this event."""

    at: datetime
    uses: int


class GrantUses(msgspec.Struct, frozen=True, kw_only=True):
    """The fold of a counted grant's own stream; `key_id` is the key that it is for."""

    key_id: str
    used: int = 0


def fold_use(uses: GrantUses, event: GrantUsed) -> GrantUses:
    """Return the uses after `event`. They only ever grow."""
    return replace(uses, used=uses.used + event.uses)


def grant_stream(grant_id: GrantId) -> str:
    """Return the name of the stream that counts the grant's uses."""
    return f"grant/{grant_id}"


def parse_grant_id(text: str) -> GrantId | None:
    """Return the id if `text` is a lower-case dashed UUID (RFC 9562 §4), the one spelling we know."""
    return GrantId(text) if _CANONICAL_ID(text) else None


def with_grant(grants: Sequence[Grant], added: Grant) -> tuple[Grant, ...]:
    """Return the grants with one more. Of those that have ended, the oldest make room for it."""
    now = added.created_at.timestamp()
    surplus = len(grants) + 1 - MAX_GRANTS
    kept = list[Grant]()
    for grant in grants:
        if surplus > 0 and grant.ended(now) is not None:
            surplus -= 1
        else:
            kept.append(grant)
    return (*kept, added)


def with_retired(grants: Sequence[Grant], grant_id: GrantId, at: datetime) -> tuple[Grant, ...]:
    """Return the grants with that one retired. A second retirement changes nothing."""
    return tuple(
        replace(grant, retired_at=at) if grant.id == grant_id and not grant.retired_at else grant
        for grant in grants
    )
