"""The operation that changes what is said of a key: tags, description, rotation policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from aegis_kernel.domain import events
from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.rotation import RotationPolicy
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages import KeyAnswer, Update

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench


async def _update(bench: Bench, caller: Caller, key: Key | None, request: Update) -> Effect:
    if request == Update():
        return Effect()
    _require_sound(request.rotation_policy)
    updated = events.KeyUpdated(
        at=bench.now(),
        tags=request.tags,
        description=request.description,
        rotation_policy=request.rotation_policy,
    )
    return Effect(events=(updated,))


def _require_sound(policy: RotationPolicy | UnsetType | None) -> None:
    if policy is None or policy is UNSET:
        return
    if policy.period_days is None and policy.after_operations is None:
        raise BadRequestError("rotationPolicy needs periodDays or afterOperations, or is null")
    if policy.notice_days is None:
        return
    if policy.period_days is None or policy.notice_days >= policy.period_days:
        raise BadRequestError("noticeDays must be less than periodDays")


UPDATE: Declaration[Update, KeyAnswer] = Declaration(Operation.UPDATE, _update, changes=True)
