"""Endpoints that change a key's state or version."""

from __future__ import annotations

from datetime import UTC, datetime

from aegis_kernel.domain.errors import ConflictError, IllegalOperationError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import KeyState
from aegis_kernel.engine import operations
from aegis_kernel.engine.operations import messages
from aegis_kernel.rest.endpoint import Endpoint
from aegis_kernel.rest.schemas import or_none, or_unset, wire_time, wire_time_or_unset
from aegis_kernel.rest.schemas_lifecycle import (
    ActivatedKey,
    CompromisedKey,
    CompromiseRequest,
    DeactivatedKey,
    DoomedKey,
    KeyStateView,
    RotatedKey,
    RotateRequest,
    ScheduleDestructionQuery,
    SuspendedKey,
    TransitionRequest,
)

_EXAMPLE_ID = "8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"
_EXAMPLE_TIME = datetime(2026, 5, 9, 1, 24, 1, tzinfo=UTC)
_LEAKED = "leaked in S3 audit on 2026-05-08"


def _to_transition(taken: TransitionRequest) -> messages.Transition:
    return messages.Transition(or_none(taken.reason))


def _compromised(key: Key) -> CompromisedKey:
    return CompromisedKey(
        id=key.id,
        state=key.state,
        compromised_at=wire_time_or_unset(key.compromised_at),
        reason=or_unset(key.reason),
    )


def _suspended(key: Key) -> SuspendedKey:
    return SuspendedKey(id=key.id, state=key.state, disabled=key.disabled)


def _rotated(key: Key) -> RotatedKey:
    return RotatedKey(
        id=key.id,
        previous_version=key.current_version - 1,
        current_version=key.current_version,
        rotated_at=wire_time(key.versions[-1].created_at),
    )


ACTIVATE = Endpoint(
    method="POST",
    path="/v1/keys/{id}/activate",
    summary="Activate a key in state PreActive",
    declaration=operations.ACTIVATE,
    takes=TransitionRequest,
    gives=ActivatedKey,
    to_request=_to_transition,
    to_response=lambda answered, _: ActivatedKey(
        id=answered.key.id,
        state=answered.key.state,
        activated_at=wire_time_or_unset(answered.key.activated_at),
    ),
    example=(
        TransitionRequest(),
        ActivatedKey(id=_EXAMPLE_ID, state=KeyState.ACTIVE, activated_at=_EXAMPLE_TIME),
    ),
    errors=(IllegalOperationError,),
)

DEACTIVATE = Endpoint(
    method="POST",
    path="/v1/keys/{id}/deactivate",
    summary="Deactivate an Active key: it only processes what it has protected",
    declaration=operations.DEACTIVATE,
    takes=TransitionRequest,
    gives=DeactivatedKey,
    to_request=_to_transition,
    to_response=lambda answered, _: DeactivatedKey(
        id=answered.key.id,
        state=answered.key.state,
        deactivated_at=wire_time_or_unset(answered.key.deactivated_at),
    ),
    example=(
        TransitionRequest(reason="end of cryptoperiod"),
        DeactivatedKey(id=_EXAMPLE_ID, state=KeyState.DEACTIVATED, deactivated_at=_EXAMPLE_TIME),
    ),
    errors=(IllegalOperationError,),
)

DISABLE = Endpoint(
    method="POST",
    path="/v1/keys/{id}/disable",
    summary="Suspend a key in any live state, until it is enabled again",
    declaration=operations.DISABLE,
    takes=TransitionRequest,
    gives=SuspendedKey,
    to_request=_to_transition,
    to_response=lambda answered, _: _suspended(answered.key),
    example=(
        TransitionRequest(reason="owner unreachable"),
        SuspendedKey(id=_EXAMPLE_ID, state=KeyState.ACTIVE, disabled=True),
    ),
    errors=(IllegalOperationError,),
)

ENABLE = Endpoint(
    method="POST",
    path="/v1/keys/{id}/enable",
    summary="End a key's suspension; its state is what it was",
    declaration=operations.ENABLE,
    takes=TransitionRequest,
    gives=SuspendedKey,
    to_request=_to_transition,
    to_response=lambda answered, _: _suspended(answered.key),
    example=(
        TransitionRequest(),
        SuspendedKey(id=_EXAMPLE_ID, state=KeyState.ACTIVE, disabled=False),
    ),
    errors=(IllegalOperationError,),
)

COMPROMISE = Endpoint(
    method="POST",
    path="/v1/keys/{id}/compromise",
    summary="Mark a key as compromised: one way, and it refuses everything from then on",
    declaration=operations.COMPROMISE,
    takes=CompromiseRequest,
    gives=CompromisedKey,
    to_request=lambda taken: messages.Compromise(taken.reason),
    to_response=lambda answered, _: _compromised(answered.key),
    example=(
        CompromiseRequest(reason=_LEAKED),
        CompromisedKey(
            id=_EXAMPLE_ID,
            state=KeyState.COMPROMISED,
            compromised_at=_EXAMPLE_TIME,
            reason=_LEAKED,
        ),
    ),
    errors=(IllegalOperationError,),
)

ROTATE = Endpoint(
    method="POST",
    path="/v1/keys/{id}/rotate",
    summary="Add a version to an Active key; the older ones process on",
    declaration=operations.ROTATE,
    takes=RotateRequest,
    gives=RotatedKey,
    to_request=lambda taken: messages.Rotate(or_none(taken.reason), or_none(taken.root_of_trust)),
    to_response=lambda answered, _: _rotated(answered.key),
    example=(
        RotateRequest(reason="scheduled-rotation"),
        RotatedKey(id=_EXAMPLE_ID, previous_version=1, current_version=2, rotated_at=_EXAMPLE_TIME),
    ),
    errors=(IllegalOperationError, ConflictError),
)

SCHEDULE_DESTRUCTION = Endpoint(
    method="DELETE",
    path="/v1/keys/{id}",
    summary="Schedule a key's destruction; until then it can be cancelled",
    declaration=operations.SCHEDULE_DESTRUCTION,
    takes=ScheduleDestructionQuery,
    gives=DoomedKey,
    to_request=lambda taken: messages.ScheduleDestruction(or_none(taken.pending_days)),
    to_response=lambda answered, _: DoomedKey(
        id=answered.key.id,
        state=answered.key.state,
        destroy_at=wire_time_or_unset(answered.key.destroy_at),
    ),
    example=(
        ScheduleDestructionQuery(),
        DoomedKey(id=_EXAMPLE_ID, state=KeyState.DEACTIVATED, destroy_at=_EXAMPLE_TIME),
    ),
    status=202,
    errors=(IllegalOperationError,),
)

CANCEL_DESTRUCTION = Endpoint(
    method="POST",
    path="/v1/keys/{id}/cancel-destruction",
    summary="Cancel a key's destruction; its state stays what it is",
    declaration=operations.CANCEL_DESTRUCTION,
    takes=TransitionRequest,
    gives=KeyStateView,
    to_request=_to_transition,
    to_response=lambda answered, _: KeyStateView(id=answered.key.id, state=answered.key.state),
    example=(
        TransitionRequest(reason="still in use"),
        KeyStateView(id=_EXAMPLE_ID, state=KeyState.DEACTIVATED),
    ),
    errors=(IllegalOperationError,),
)
