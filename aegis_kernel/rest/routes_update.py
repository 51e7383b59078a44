"""The endpoint that changes what is said of a key."""

from __future__ import annotations

from aegis_kernel.domain.errors import IllegalOperationError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import KeyState
from aegis_kernel.engine import operations
from aegis_kernel.engine.operations import messages
from aegis_kernel.rest.endpoint import Endpoint
from aegis_kernel.rest.schemas import or_unset
from aegis_kernel.rest.schemas_update import (
    RotationPolicyFields,
    UpdatedKey,
    UpdateKeyRequest,
    policy_fields,
    to_policy,
)

_EXAMPLE_ID = "8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"
_EXAMPLE_POLICY = RotationPolicyFields(period_days=90, notice_days=14)


def _to_update(taken: UpdateKeyRequest) -> messages.Update:
    return messages.Update(
        tags=taken.tags,
        description=taken.description,
        rotation_policy=to_policy(taken.rotation_policy),
    )


def _updated(key: Key) -> UpdatedKey:
    return UpdatedKey(
        id=key.id,
        state=key.state,
        tags=dict(key.tags),
        description=or_unset(key.description),
        rotation_policy=policy_fields(key.rotation_policy),
    )


UPDATE = Endpoint(
    method="PATCH",
    path="/v1/keys/{id}",
    summary="Change a key's tags, description or rotation policy",
    declaration=operations.UPDATE,
    takes=UpdateKeyRequest,
    gives=UpdatedKey,
    to_request=_to_update,
    to_response=lambda answered, _: _updated(answered.key),
    example=(
        UpdateKeyRequest(tags={"team": "payments"}, rotation_policy=_EXAMPLE_POLICY),
        UpdatedKey(
            id=_EXAMPLE_ID,
            state=KeyState.ACTIVE,
            tags={"team": "payments"},
            rotation_policy=_EXAMPLE_POLICY,
        ),
    ),
    errors=(IllegalOperationError,),
)
