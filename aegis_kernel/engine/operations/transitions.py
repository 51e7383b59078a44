"""Operations that change a key: each is an event, and sometimes new material."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from aegis_kernel.domain import events
from aegis_kernel.domain.audit import Severity
from aegis_kernel.domain.errors import BadRequestError, IllegalOperationError
from aegis_kernel.domain.key import Key, KeyId
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.spec import ObjectType
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages import (
    Compromise,
    CreateKey,
    KeyAnswer,
    Rotate,
    ScheduleDestruction,
    Transition,
)
from aegis_kernel.engine.operations.require import require
from aegis_kernel.spi.journal import DeleteMaterial

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench


async def _create(bench: Bench, caller: Caller, key: Key | None, request: CreateKey) -> Effect:
    key_id = KeyId(str(uuid4()))
    if request.published and request.spec.object_type is not ObjectType.PRIVATE_KEY:
        raise BadRequestError(f"An {request.spec.algorithm} key has no public key to publish")
    root = bench.root_for(request.spec, request.root_of_trust)
    material = await bench.make_material(request.spec, key_id, 1, root)
    created = events.KeyCreated(
        at=bench.now(),
        id=key_id,
        spec=request.spec,
        owner=caller.acts_for.subject,
        root_of_trust=root,
        tags=request.tags,
        description=request.description,
        published=request.published,
    )
    return Effect(key_id=key_id, events=(created,), material=(material,), key_version=1)


async def _rotate(bench: Bench, caller: Caller, key: Key | None, request: Rotate) -> Effect:
    key = require(key)
    previous, version = key.current_version, key.current_version + 1
    named = request.root_of_trust or key.versions[-1].root_of_trust
    root = bench.root_for(key.spec, named)
    material = await bench.make_material(key.spec, key.id, version, root)
    rotated = events.KeyRotated(
        at=bench.now(), version=version, root_of_trust=root, reason=request.reason
    )
    return Effect(
        events=(rotated,),
        material=(material,),
        reason=request.reason,
        previous_version=previous,
        current_version=version,
    )


async def _activate(bench: Bench, caller: Caller, key: Key | None, request: Transition) -> Effect:
    return _effect(events.KeyActivated(at=bench.now(), reason=request.reason), request.reason)


async def _deactivate(bench: Bench, caller: Caller, key: Key | None, request: Transition) -> Effect:
    return _effect(events.KeyDeactivated(at=bench.now(), reason=request.reason), request.reason)


async def _disable(bench: Bench, caller: Caller, key: Key | None, request: Transition) -> Effect:
    return _effect(events.KeyDisabled(at=bench.now(), reason=request.reason), request.reason)


async def _enable(bench: Bench, caller: Caller, key: Key | None, request: Transition) -> Effect:
    return _effect(events.KeyEnabled(at=bench.now(), reason=request.reason), request.reason)


async def _compromise(bench: Bench, caller: Caller, key: Key | None, request: Compromise) -> Effect:
    compromised = events.KeyCompromised(at=bench.now(), reason=request.reason)
    return Effect(events=(compromised,), severity=Severity.CRITICAL, reason=request.reason)


async def _schedule(
    bench: Bench, caller: Caller, key: Key | None, request: ScheduleDestruction
) -> Effect:
    rule = bench.destruction
    days = rule.default_days if request.pending_days is None else request.pending_days
    if not rule.least_days <= days <= rule.most_days:
        raise BadRequestError(f"pendingDays is {rule.least_days} to {rule.most_days}")
    now = bench.now()
    return _effect(events.DestructionScheduled(at=now, destroy_at=now + timedelta(days=days)), None)


async def _cancel(bench: Bench, caller: Caller, key: Key | None, request: Transition) -> Effect:
    cancelled = events.DestructionCancelled(at=bench.now(), reason=request.reason)
    return _effect(cancelled, request.reason)


async def _destroy(bench: Bench, caller: Caller, key: Key | None, request: Transition) -> Effect:
    key = require(key)
    now = bench.now()
    if key.destroy_at is None or key.destroy_at > now:
        raise IllegalOperationError("This key's destruction is not due yet")
    await bench.destroy_material(key)
    return Effect(events=(events.KeyDestroyed(at=now),), material=(DeleteMaterial(key.id),))


def _effect(event: events.Event, reason: str | None) -> Effect:
    return Effect(events=(event,), reason=reason)


CREATE: Declaration[CreateKey, KeyAnswer] = Declaration(
    Operation.CREATE, _create, costly=True, changes=True
)
ROTATE: Declaration[Rotate, KeyAnswer] = Declaration(
    Operation.ROTATE, _rotate, costly=True, changes=True
)
ACTIVATE: Declaration[Transition, KeyAnswer] = Declaration(
    Operation.ACTIVATE, _activate, changes=True
)
DEACTIVATE: Declaration[Transition, KeyAnswer] = Declaration(
    Operation.DEACTIVATE, _deactivate, changes=True
)
DISABLE: Declaration[Transition, KeyAnswer] = Declaration(Operation.DISABLE, _disable, changes=True)
ENABLE: Declaration[Transition, KeyAnswer] = Declaration(Operation.ENABLE, _enable, changes=True)
COMPROMISE: Declaration[Compromise, KeyAnswer] = Declaration(
    Operation.COMPROMISE, _compromise, changes=True
)
SCHEDULE_DESTRUCTION: Declaration[ScheduleDestruction, KeyAnswer] = Declaration(
    Operation.SCHEDULE_DESTRUCTION, _schedule, changes=True
)
CANCEL_DESTRUCTION: Declaration[Transition, KeyAnswer] = Declaration(
    Operation.CANCEL_DESTRUCTION, _cancel, changes=True
)
DESTROY: Declaration[Transition, KeyAnswer] = Declaration(
    Operation.DESTROY, _destroy, by_kernel=True, changes=True
)
