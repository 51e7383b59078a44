"""Why a request is allowed: by the authorizer, or by grants."""

from __future__ import annotations

from typing import final

import msgspec
from msgspec.structs import replace

from aegis_kernel.engine.operations.declaration import Effect
from aegis_kernel.spi.journal import Append


# Final, so that the hot path may ask `type(x) is`: isinstance of a Struct costs 0.3 µs.
@final
class Permission(msgspec.Struct, frozen=True, gc=False):
    """Why a request is allowed, and what its commit appends for having been allowed.

    `grant_id` is the grant that allowed it, `destination_grant_id` the one for the second key. From
    `until` (seconds since the Unix epoch) on, these allow nothing.
    """

    reason: str
    expects: tuple[tuple[str, int], ...] = ()
    appends: tuple[Append, ...] = ()
    grant_id: str | None = None
    destination_grant_id: str | None = None
    until: float | None = None

    def named_in(self, effect: Effect) -> Effect:
        """Return the effect, whose record names the grants that allowed it."""
        if self.grant_id is None and self.destination_grant_id is None:
            return effect
        return replace(
            effect, grant_id=self.grant_id, destination_grant_id=self.destination_grant_id
        )


def joined(first: Permission, second: Permission) -> Permission:
    """Return the permission for both keys of a request."""
    if second.grant_id is None:
        return first
    ends = [each for each in (first.until, second.until) if each is not None]
    return Permission(
        reason=f"{first.reason}; {second.reason}",
        expects=first.expects + second.expects,
        appends=first.appends + second.appends,
        grant_id=first.grant_id,
        destination_grant_id=second.grant_id,
        until=min(ends, default=None),
    )
