"""Endpoints of batches: made from the endpoints that carry out one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from aegis_kernel.domain.errors import AegisError
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.engine.operations.batch import (
    MAX_ITEMS,
    ActTogether,
    Batch,
    BatchAnswer,
    in_batch,
)
from aegis_kernel.engine.operations.many import decrypt_many, encrypt_many
from aegis_kernel.rest import routes_crypto, routes_secrets
from aegis_kernel.rest.endpoint import Endpoint
from aegis_kernel.rest.schemas import Wire, text

Reference = Annotated[str, text(1, 256)]

# Whatever is here can be asked for in batches; adding one is one line.
BATCHABLE: tuple[Endpoint[Any, Any, Any], ...] = (
    routes_crypto.SIGN,
    routes_crypto.VERIFY,
    routes_crypto.ENCRYPT,
    routes_crypto.DECRYPT,
    routes_crypto.WRAP,
    routes_crypto.UNWRAP,
    routes_secrets.MAC,
    routes_secrets.VERIFY_MAC,
)

_TOGETHER: Mapping[Operation, ActTogether] = {
    Operation.ENCRYPT: encrypt_many,
    Operation.DECRYPT: decrypt_many,
}


def batch_of(single: Endpoint[Any, Any, Any]) -> Endpoint[Any, Batch, BatchAnswer]:
    """Return the endpoint that takes up to 500 requests of `single` under one key."""
    name = single.takes.__name__.removesuffix("Request")
    asked = _asked(f"{name}BatchItem", single.takes)
    request = _list_of(f"{name}BatchRequest", asked)
    told = _told(f"{name}BatchResult", single.gives)
    response = _list_of(f"{name}BatchResponse", told)
    taken, given = single.example
    return Endpoint(
        method="POST",
        path=f"{single.path}/batch",
        summary=f"Up to {MAX_ITEMS} at once, in order, each with its result or error: {name}",
        declaration=in_batch(single.declaration, _TOGETHER.get(single.declaration.name)),
        takes=request,
        gives=response,
        to_request=lambda body: Batch(tuple([single.to_request(item) for item in body.items])),
        to_response=_to_response(single, told, response),
        example=(
            request([asked(**_fields(taken), reference="row 7")]),
            response([told(**_fields(given), reference="row 7")]),
        ),
        errors=single.errors,
    )


def _asked(name: str, single: type[Wire]) -> Any:
    """Return the type of an item: the single request, and what the caller calls it."""
    field = ("reference", Reference | UnsetType, UNSET)
    return msgspec.defstruct(name, [field], bases=(single,), frozen=True)


def _told(name: str, single: type[Wire]) -> Any:
    """Return the type of a result: the single answer, or an error; both with the reference."""
    fields: list[Any] = [
        (field.name, field.type | UnsetType, UNSET) for field in msgspec.structs.fields(single)
    ]
    fields += [(name, str | UnsetType, UNSET) for name in ("reference", "error", "message")]
    return msgspec.defstruct(name, fields, bases=(Wire,), frozen=True)


def _list_of(name: str, item: Any) -> Any:
    items = Annotated[list[item], Meta(min_length=1, max_length=MAX_ITEMS)]
    return msgspec.defstruct(name, [("items", items)], bases=(Wire,), frozen=True)


def _to_response(
    single: Endpoint[Any, Any, Any], told: Any, response: Any
) -> Callable[[BatchAnswer, Any], Wire]:
    def result(answered: Any, item: Any) -> Any:
        if isinstance(answered, AegisError):
            return told(reference=item.reference, error=answered.code, message=answered.message)
        return told(*msgspec.structs.astuple(single.to_response(answered, item)), item.reference)

    def to_response(answered: BatchAnswer, taken: Any) -> Wire:
        pairs = zip(answered.items, taken.items, strict=True)
        whole: Wire = response([result(answer, item) for answer, item in pairs])
        return whole

    return to_response


def _fields(value: Wire) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


BATCHES: tuple[Endpoint[Any, Any, Any], ...] = tuple(map(batch_of, BATCHABLE))
