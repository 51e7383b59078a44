"""What happened to keys after a backup and must not be undone by a restore, read from newer streams.

A restore brings keys back as they were. What took rights away since then is done again before
anything is served: compromises, destructions and their schedules, deactivations, suspensions, retired
grants and used ones. What gave rights is not: its material may be lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from aegis_kernel.domain import events
from aegis_kernel.domain.errors import BootError, InternalError
from aegis_kernel.domain.key import Key, KeyId
from aegis_kernel.domain.lifecycle import KeyState, Operation
from aegis_kernel.engine import policies
from aegis_kernel.engine.reapplying_agents import reapply_agents
from aegis_kernel.engine.reapplying_grants import reapply_uses, retirements
from aegis_kernel.engine.records import Scribe
from aegis_kernel.engine.streams import View, append, decode_snapshot
from aegis_kernel.spi.journal import Append, Conflict, DeleteMaterial, Entry, Journal, Query

_PAGE_KEYS = 200

_OPERATIONS: Mapping[type[events.Event], Operation] = {
    events.KeyDestroyed: Operation.DESTROY,
    events.KeyCompromised: Operation.COMPROMISE,
    events.VersionCompromised: Operation.COMPROMISE_VERSION,
    events.DestructionScheduled: Operation.SCHEDULE_DESTRUCTION,
    events.KeyDeactivated: Operation.DEACTIVATE,
    events.KeyDisabled: Operation.DISABLE,
    events.GrantRetired: Operation.RETIRE_GRANT,
}


class Reapplied(msgspec.Struct, frozen=True, rename="camel"):
    """One thing that was done again."""

    key_id: KeyId | None
    operation: Operation


async def require_newer(restored: Journal, newer: Journal) -> None:
    """Raise BootError unless `newer` is the same journal, at the same time or later."""
    head = await restored.head()
    if await newer.head() < head:
        raise BootError("the journal given as newer ends before the backup does")
    mine, theirs = await _last(restored, head), await _last(newer, head)
    if mine != theirs:
        raise BootError("the journal given as newer is another one: its ledger differs")


async def reapply(
    restored: Journal, newer: Journal, scribe: Scribe, now: datetime
) -> tuple[Reapplied, ...]:
    """Do again to `restored` what `newer` says happened since; return what that was."""
    done = await _reapply_policies(restored, newer, scribe)
    done += [Reapplied(None, each) for each in await reapply_agents(restored, newer, scribe)]
    after, more = 0, True
    while more:
        page = await newer.find(Query(prefix="key/", after=after, limit=_PAGE_KEYS))
        for found in page.items:
            after = found.position
            view = await _view(restored, found.stored.stream)
            if view.key is not None:
                since = tuple(_losses(view.key, decode_snapshot(found.stored.snapshot), now))
                await _commit(restored, view, since, scribe)
                done += [Reapplied(view.key.id, _OPERATIONS[type(event)]) for event in since]
                for _ in await reapply_uses(restored, newer, view.key, scribe):
                    done.append(Reapplied(view.key.id, Operation.RESTORE))
        more = page.more
    return tuple(done)


def _losses(then: Key, now: Key, at: datetime) -> Iterator[events.Event]:
    """Yield the events that take from `then` what the key has lost meanwhile."""
    if then.state is KeyState.DESTROYED:
        return
    yield from retirements(then, now, at)
    yield from _compromises(then, now, at)
    if now.disabled and not then.disabled:
        yield events.KeyDisabled(at=at, reason="before the restore")
    if now.state is KeyState.DEACTIVATED and then.state is KeyState.ACTIVE:
        yield events.KeyDeactivated(at=now.deactivated_at or at)
    if now.state is KeyState.DESTROYED:
        yield events.KeyDestroyed(at=now.destroyed_at or at)
    elif now.destroy_at is not None and then.destroy_at is None:
        yield events.DestructionScheduled(at=at, destroy_at=now.destroy_at)


def _compromises(then: Key, now: Key, at: datetime) -> Iterator[events.Event]:
    if now.compromised_at is not None:
        if then.compromised_at is None:
            reason = now.reason or "unknown"
            yield events.KeyCompromised(at=now.compromised_at, reason=reason)
        return
    for version, later in zip(then.versions, now.versions, strict=False):
        if later.state is KeyState.COMPROMISED and version.state is not KeyState.COMPROMISED:
            yield events.VersionCompromised(
                at=later.compromised_at or at,
                version=later.number,
                reason=later.reason or "unknown",
            )


async def _reapply_policies(restored: Journal, newer: Journal, scribe: Scribe) -> list[Reapplied]:
    """Make the policies active that are so in `newer`: those they superseded must not come back."""
    then, now = await restored.load(policies.STREAM), await newer.load(policies.STREAM)
    known = then.sequence if then is not None else 0
    if now is None or now.sequence <= known:
        return []
    events = tuple(await newer.history(policies.STREAM))[known:]
    said = f"{policies.decode(now.snapshot).digest}; reapplied on restore"
    entry = Entry(
        expects={policies.STREAM: known},
        appends=(Append(stream=policies.STREAM, events=events, snapshot=now.snapshot),),
        records=(scribe.own(Operation.ACTIVATE_POLICY, said),),
    )
    (verdict,) = await restored.commit([entry])
    if isinstance(verdict, Conflict):
        raise InternalError("The copy being restored has changed")
    return [Reapplied(None, Operation.ACTIVATE_POLICY)]


async def _last(journal: Journal, head: int) -> list[bytes]:
    return [record.body for record in await journal.ledger(head - 1, 1)] if head else []


async def _view(journal: Journal, stream: str) -> View:
    stored = await journal.load(stream)
    if stored is None:
        return View(stream, 0, None)
    return View(stream, stored.sequence, decode_snapshot(stored.snapshot))


async def _commit(
    journal: Journal, view: View, since: tuple[events.Event, ...], scribe: Scribe
) -> None:
    if not since or view.key is None:
        return
    key_id = view.key.id
    appended, after = append(view, since)
    gone = after.key is not None and after.key.state is KeyState.DESTROYED
    entry = Entry(
        expects={view.stream: view.sequence},
        appends=(appended,),
        material=(DeleteMaterial(key_id),) if gone else (),
        records=tuple(
            scribe.own(_OPERATIONS[type(event)], "reapplied on restore", key_id) for event in since
        ),
    )
    (verdict,) = await journal.commit([entry])
    if isinstance(verdict, Conflict):
        raise InternalError("The copy being restored has changed")
