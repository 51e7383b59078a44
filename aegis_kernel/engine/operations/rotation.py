"""What the kernel does by a key's rotation policy, after a last look at whether it is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_kernel.domain import events
from aegis_kernel.domain.errors import IllegalOperationError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.rotation import is_used_up, next_notice, next_rotation
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages import KeyAnswer, Rotate, Transition
from aegis_kernel.engine.operations.require import require
from aegis_kernel.engine.operations.transitions import ROTATE

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench


async def _rotate(bench: Bench, caller: Caller, key: Key | None, request: Transition) -> Effect:
    key = require(key)
    reason = await _due_because(bench, key)
    if reason is None:
        raise IllegalOperationError("This key's rotation is not due")
    return await ROTATE.act(bench, caller, key, Rotate(reason))


async def _due_because(bench: Bench, key: Key) -> str | None:
    rotation = next_rotation(key)
    if rotation is not None and rotation <= bench.now():
        return "rotation policy: the period has ended"
    if is_used_up(key, await bench.usage.protections(key.id, key.current_version)):
        return "rotation policy: the version is used up"
    return None


async def _announce(bench: Bench, caller: Caller, key: Key | None, request: Transition) -> Effect:
    key = require(key)
    notice, rotation = next_notice(key), next_rotation(key)
    if notice is None or rotation is None or notice > bench.now():
        raise IllegalOperationError("This key's rotation need not be announced")
    announced = events.RotationAnnounced(at=bench.now(), version=key.current_version)
    when = rotation.replace(microsecond=0).isoformat().replace("+00:00", "Z")
    return Effect(
        events=(announced,), key_version=key.current_version, reason=f"rotation is due at {when}"
    )


ROTATE_BY_POLICY: Declaration[Transition, KeyAnswer] = Declaration(
    Operation.ROTATE, _rotate, by_kernel=True
)
ANNOUNCE_ROTATION: Declaration[Transition, KeyAnswer] = Declaration(
    Operation.ANNOUNCE_ROTATION, _announce, by_kernel=True
)
