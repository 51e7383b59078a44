"""Endpoints of grants: the use of a key, given to somebody else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from aegis_kernel.domain.errors import BadRequestError, IllegalOperationError, NotFoundError
from aegis_kernel.domain.grant import GRANTABLE, GrantId, parse_grant_id
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.engine import operations
from aegis_kernel.engine.operations import messages_grants as messages
from aegis_kernel.rest.endpoint import Endpoint
from aegis_kernel.rest.paths import PathParams
from aegis_kernel.rest.schemas import (
    Nothing,
    or_default,
    or_none,
    or_unset,
    wire_time,
    wire_time_or_unset,
)
from aegis_kernel.rest.schemas_grants import (
    CreateGrantRequest,
    GrantPage,
    GrantView,
    RetiredGrantView,
    RetireGrantRequest,
)

_EXAMPLE_ID = "2f9c51d4-7d0e-4a56-9a3e-6a1d5b7c8e90"
_EXAMPLE_TIME = datetime(2026, 5, 9, 1, 24, 1, tzinfo=UTC)
_EXAMPLE = GrantView(
    id=_EXAMPLE_ID,
    key_id="8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9",
    grantee="bob",
    operations=["Decrypt"],
    created_at=_EXAMPLE_TIME,
    created_by="alice",
    context={"tenant": "acme"},
    expires_at=_EXAMPLE_TIME.replace(hour=2),
    max_uses=10,
    used=0,
)


def _to_create(taken: CreateGrantRequest) -> messages.CreateGrant:
    return messages.CreateGrant(
        grantee=taken.grantee,
        operations=_operations(taken.operations),
        context=or_default(taken.context, {}),
        expires_at=or_none(taken.expires_at),
        ttl_seconds=or_none(taken.ttl_seconds),
        max_uses=or_none(taken.max_uses),
    )


def _operations(names: Sequence[str]) -> tuple[Operation, ...]:
    unknown = [name for name in names if name not in GRANTABLE]
    if unknown:
        raise BadRequestError(f"operations: {unknown[0][:64]} cannot be granted")
    return tuple([Operation(name) for name in names])


def _view(answered: messages.GrantAnswer) -> GrantView:
    grant = answered.grant
    return GrantView(
        id=grant.id,
        key_id=answered.key_id,
        grantee=grant.grantee,
        operations=list(grant.operations),
        created_at=wire_time(grant.created_at),
        created_by=grant.created_by,
        context=or_unset(dict(grant.context) or None),
        expires_at=wire_time_or_unset(grant.expires_at),
        max_uses=or_unset(grant.max_uses),
        used=or_unset(answered.used),
        ended=or_unset(answered.ended),
        retired_at=wire_time_or_unset(grant.retired_at),
    )


def _grant_id(params: PathParams) -> GrantId:
    grant_id = parse_grant_id(params["grantId"])
    if grant_id is None:
        raise NotFoundError("A grant's id is a UUID in lower case")
    return grant_id


CREATE_GRANT = Endpoint(
    method="POST",
    path="/v1/keys/{id}/grants",
    summary="Grant the use of a key to another principal",
    declaration=operations.CREATE_GRANT,
    takes=CreateGrantRequest,
    gives=GrantView,
    to_request=_to_create,
    to_response=lambda answered, _: _view(answered),
    example=(
        CreateGrantRequest(
            grantee="bob",
            operations=["Decrypt"],
            context={"tenant": "acme"},
            ttl_seconds=3600,
            max_uses=10,
        ),
        _EXAMPLE,
    ),
    status=201,
    errors=(IllegalOperationError,),
)

LIST_GRANTS = Endpoint(
    method="GET",
    path="/v1/keys/{id}/grants",
    summary="List the grants of a key, oldest first",
    declaration=operations.LIST_GRANTS,
    takes=Nothing,
    gives=GrantPage,
    to_request=lambda _: messages.ListGrants(),
    to_response=lambda answered, _: GrantPage(items=[_view(each) for each in answered.grants]),
    example=(Nothing(), GrantPage(items=[_EXAMPLE])),
)

RETIRE_GRANT = Endpoint(
    method="POST",
    path="/v1/keys/{id}/grants/{grantId}/retire",
    summary="End a grant at once; its grantee may do that too",
    declaration=operations.RETIRE_GRANT,
    takes=RetireGrantRequest,
    gives=RetiredGrantView,
    to_request=lambda taken: messages.RetireGrant(GrantId(""), or_none(taken.reason)),
    place=lambda request, params: replace(request, grant_id=_grant_id(params)),
    to_response=lambda answered, _: RetiredGrantView(
        id=answered.id, retired_at=wire_time(answered.retired_at)
    ),
    example=(
        RetireGrantRequest(reason="done"),
        RetiredGrantView(id=_EXAMPLE_ID, retired_at=_EXAMPLE_TIME),
    ),
    errors=(NotFoundError,),
)
