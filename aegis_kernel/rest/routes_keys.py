"""Endpoints that create, show and list keys."""

from __future__ import annotations

from datetime import UTC, datetime

from aegis_kernel.domain.lifecycle import KeyState
from aegis_kernel.domain.spec import Algorithm, ObjectType
from aegis_kernel.engine import operations
from aegis_kernel.engine.operations import messages
from aegis_kernel.rest.endpoint import Endpoint
from aegis_kernel.rest.schemas import Nothing, or_none, or_unset, wire_time
from aegis_kernel.rest.schemas_keys import (
    AesSpec,
    CreatedKey,
    CreateKeyRequest,
    KeyPage,
    KeyView,
    ListKeysQuery,
    SpecView,
    key_view,
    spec_view,
    to_key_spec,
)

_DEFAULTS = messages.ListKeys()

_EXAMPLE_ID = "8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"
_EXAMPLE_TIME = datetime(2026, 5, 9, 1, 23, 45, tzinfo=UTC)
_EXAMPLE_SPEC = SpecView(
    name="walkthrough-demo",
    algorithm=Algorithm.AES,
    size_bits=256,
    object_type=ObjectType.SYMMETRIC_KEY,
)
_EXAMPLE_VIEW = KeyView(
    id=_EXAMPLE_ID,
    spec=_EXAMPLE_SPEC,
    state=KeyState.PRE_ACTIVE,
    current_version=1,
    created_at=_EXAMPLE_TIME,
    owner="alice",
    root_of_trust="inmemory",
)


def _to_create(taken: CreateKeyRequest) -> messages.CreateKey:
    return messages.CreateKey(
        spec=to_key_spec(taken.spec),
        root_of_trust=or_none(taken.root_of_trust),
        tags=or_none(taken.tags) or {},
        description=or_none(taken.description),
        published=or_none(taken.published) or False,
    )


def _created(answered: messages.KeyAnswer, taken: CreateKeyRequest) -> CreatedKey:
    key = answered.key
    return CreatedKey(
        id=key.id,
        spec=spec_view(key.spec),
        state=key.state,
        current_version=key.current_version,
        created_at=wire_time(key.created_at),
        root_of_trust=taken.root_of_trust,
        tags=taken.tags,
        description=taken.description,
        published=taken.published,
    )


def _to_list(taken: ListKeysQuery) -> messages.ListKeys:
    return messages.ListKeys(
        state=or_none(taken.state),
        name=or_none(taken.name),
        algorithm=or_none(taken.algorithm),
        tag=or_none(taken.tag),
        limit=or_none(taken.limit) or _DEFAULTS.limit,
        cursor=or_none(taken.cursor),
    )


def _page(answered: messages.KeyList, taken: ListKeysQuery) -> KeyPage:
    return KeyPage(
        items=[key_view(key) for key in answered.keys],
        next_cursor=or_unset(answered.next_cursor),
    )


CREATE = Endpoint(
    method="POST",
    path="/v1/keys",
    summary="Create a key, in state PreActive",
    declaration=operations.CREATE,
    takes=CreateKeyRequest,
    gives=CreatedKey,
    to_request=_to_create,
    to_response=_created,
    example=(
        CreateKeyRequest(
            spec=AesSpec(name="walkthrough-demo", size_bits=256, object_type="SymmetricKey")
        ),
        CreatedKey(
            id=_EXAMPLE_ID,
            spec=_EXAMPLE_SPEC,
            state=KeyState.PRE_ACTIVE,
            current_version=1,
            created_at=_EXAMPLE_TIME,
        ),
    ),
    status=201,
)

LIST = Endpoint(
    method="GET",
    path="/v1/keys",
    summary="List the keys that the caller may read, oldest first",
    declaration=operations.LIST,
    takes=ListKeysQuery,
    gives=KeyPage,
    to_request=_to_list,
    to_response=_page,
    example=(ListKeysQuery(), KeyPage(items=[_EXAMPLE_VIEW])),
)

GET = Endpoint(
    method="GET",
    path="/v1/keys/{id}",
    summary="Show a key: its spec, state and version, never its bytes",
    declaration=operations.GET,
    takes=Nothing,
    gives=KeyView,
    to_request=lambda _: messages.GetKey(),
    to_response=lambda answered, _: key_view(answered.key, answered.details),
    example=(Nothing(), _EXAMPLE_VIEW),
)
