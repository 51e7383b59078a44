"""What grants make of a denial, and how the uses of counted ones are counted.

A grant stands in the key's own stream, so a use that it allows is fenced against its retirement as
against anything else that happens to the key. A use of a counted one is an event of the grant's own
stream, in the commit of the use itself: no two uses are the same one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, final

import msgspec

from aegis_kernel.domain.errors import PermissionDeniedError
from aegis_kernel.domain.grant import Grant, GrantUsed, GrantUses, fold_use
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import Principal, PrincipalKind
from aegis_kernel.engine.job import Job
from aegis_kernel.engine.permission import Permission, joined
from aegis_kernel.engine.streams import View
from aegis_kernel.engine.turns import Turns
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.journal import Append, Journal

FAMILY = "grant/"

_decode = msgspec.json.Decoder(GrantUses).decode
_encode = msgspec.json.Encoder().encode


@final
class Counted(msgspec.Struct, frozen=True):
    """Counted grants of a key, of which the first that has uses left allows; else the denial stands."""

    key: Key
    grants: tuple[Grant, ...]
    denial: PermissionDeniedError


class UsesView(msgspec.Struct, frozen=True, gc=False):
    """The uses of a counted grant, and the sequence of its stream at which it was so."""

    stream: str
    sequence: int
    uses: GrantUses


class Grants:
    """Counts uses. Within this process they go one by one, so that they do not conflict for ever."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self.turns = Turns()

    async def used(self, key: Key, grant: Grant) -> int:
        """Return how often a counted grant of `key` was used, as the store has it."""
        return (await self._view(key, grant)).uses.used

    async def settle(
        self, job: Job, first: Permission | Counted, second: Permission | Counted | None
    ) -> Permission:
        """Return the permission for both keys, and take a turn that lasts until the request ends.

        Raises PermissionDeniedError where the uses left are not enough, and UnavailableError where
        too many wait for theirs.
        """
        if not job.is_dry:
            counted = [each.grants for each in (first, second) if type(each) is Counted]
            names = [grant.id for grants in counted for grant in grants]
            await self.turns.take(job.event_id, names)
        try:
            permission = await self._settled(job, first)
            return (
                permission
                if second is None
                else joined(permission, await self._settled(job, second))
            )
        except PermissionDeniedError:
            # Uses never come back: whoever is refused for want of them need not be waited for.
            self.turns.give_back(job.event_id)
            raise

    async def _settled(self, job: Job, said: Permission | Counted) -> Permission:
        if type(said) is Permission:
            return said
        wanted = uses_of(job.request)
        kept = "", 0, 0
        for grant in said.grants:
            view = await self._view(said.key, grant)
            left = (grant.max_uses or 0) - view.uses.used
            if wanted <= left:
                return self._use(view, grant, wanted)
            kept = grant.id, max(left, 0), wanted
        why = "grant {} has {} uses left of {} wanted".format(*kept)
        raise _denied(said.denial, why)

    def _use(self, view: UsesView, grant: Grant, wanted: int) -> Permission:
        at = datetime.fromtimestamp(int(self._clock.time() * 1000) / 1000, UTC)
        append = append_uses(view.uses, grant.stream, GrantUsed(at=at, uses=wanted))
        return _by(grant, ((view.stream, view.sequence),), (append,))

    async def _view(self, key: Key, grant: Grant) -> UsesView:
        stored = await self._journal.load(grant.stream)
        if stored is None:
            return UsesView(grant.stream, 0, GrantUses(key_id=key.id))
        return UsesView(grant.stream, stored.sequence, _decode(stored.snapshot))


def lift(
    denial: PermissionDeniedError,
    key: Key,
    job: Job,
    contexts: Sequence[Mapping[str, str]],
    now: float,
) -> Permission | Counted:
    """Return what the grants of `key` make of a denial that is not final.

    Raises `denial`, whose reason then names a grant that is no help any more, where none allows it.
    """
    # An agent's scopes have been looked at; the grants are those of whom it acts for.
    principal = job.caller.acts_for
    if principal.kind not in (PrincipalKind.HUMAN, PrincipalKind.SERVICE):
        raise denial
    operation = job.declaration.name
    if operation is Operation.RETIRE_GRANT:
        return _of_its_own(denial, key, principal, job.request)
    counted, kept = list[Grant](), None
    for grant in key.grants:
        if grant.grantee != principal.subject or operation not in grant.operations:
            continue
        against = grant.refuses(contexts, now)
        if against is not None:
            kept = f"grant {grant.id} {against}"
        elif grant.max_uses is None:
            return _by(grant)
        else:
            counted.append(grant)
    if counted:
        return Counted(key, tuple(counted), denial)
    raise denial if kept is None else _denied(denial, kept)


def uses_of(request: object) -> int:
    """Return how many uses a request is: one for each item of a batch."""
    items = getattr(request, "items", None)
    return 1 if items is None else max(1, len(items))


def append_uses(uses: GrantUses, stream: str, *events: GrantUsed) -> Append:
    """Return what to append to the stream of a counted grant whose uses were `uses`."""
    for event in events:
        uses = fold_use(uses, event)
    return Append(
        stream=stream,
        events=tuple([_encode(event) for event in events]),
        snapshot=_encode(uses),
    )


def decode_uses(snapshot: bytes) -> GrantUses:
    """Return the uses of a snapshot that `append_uses` made."""
    return _decode(snapshot)


def is_one_key(view: View) -> bool:
    """Return whether the two keys that a request names are one: a use of it is one use."""
    return view.further is not None and view.further.stream == view.stream


def _of_its_own(
    denial: PermissionDeniedError, key: Key, principal: Principal, request: Any
) -> Permission:
    grant = key.grant(request.grant_id)
    if grant is None or grant.grantee != principal.subject:
        raise denial
    return Permission("the grant's grantee")


def _by(
    grant: Grant, expects: tuple[tuple[str, int], ...] = (), appends: tuple[Append, ...] = ()
) -> Permission:
    return Permission(
        reason=f"grant {grant.id}",
        expects=expects,
        appends=appends,
        grant_id=grant.id,
        until=None if grant.expires_at is None else grant.expires_at.timestamp(),
    )


def _denied(denial: PermissionDeniedError, why: str) -> PermissionDeniedError:
    return PermissionDeniedError(denial.message, reason=f"{denial.reason}; {why}")
