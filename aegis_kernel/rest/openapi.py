"""The OpenAPI 3.1 document, made from the table that the handlers are made from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from aegis_kernel.domain.alias import PATTERN
from aegis_kernel.domain.errors import (
    AegisError,
    BadRequestError,
    InternalError,
    KeyNotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
    UnsupportedMediaTypeError,
)
from aegis_kernel.rest.codec import BodyDecoder, encode_special, schema_of_special
from aegis_kernel.rest.edge import BATCH
from aegis_kernel.rest.endpoint import Endpoint, HeaderField, Outcome, Page
from aegis_kernel.rest.endpoints import ENDPOINTS, PAGES
from aegis_kernel.rest.errors import STATUS, ErrorBody
from aegis_kernel.rest.openapi_terms import (
    DRY_RUN_EXAMPLE,
    success_headers,
    terms_errors,
    terms_parameters,
)
from aegis_kernel.rest.schemas import DryRunView, Nothing, Query, Wire
from aegis_kernel.rest.schemas_aliases import KEY_NAME_PATTERN, UUID_PATTERN
from aegis_kernel.rest.schemas_keys import CreateKeyRequest
from aegis_kernel.rest.schemas_lifecycle import RotateRequest, ScheduleDestructionQuery

_Object = dict[str, Any]

LEAST_PENDING_DAYS = 7

_DESCRIPTION = "A key-management service: callers name keys, and never hold their bytes."

# Whatever is asked for, by whomever: a body that nobody wants can be refused, and we can fail.
_EVERYWHERE: tuple[type[AegisError], ...] = (
    BadRequestError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
    InternalError,
    UnavailableError,
)
_AUTHENTICATED: tuple[type[AegisError], ...] = (
    UnauthorizedError,
    PermissionDeniedError,
    TooManyRequestsError,
)

_REQUEST_ID = HeaderField("X-Request-Id", "Stands in the audit record too.")
_ERROR_HEADERS: Mapping[int, HeaderField] = {
    401: HeaderField("WWW-Authenticate", "How to authenticate."),
    429: HeaderField("Retry-After", "Seconds to wait."),
    503: HeaderField("Retry-After", "Seconds to wait."),
}
_MESSAGES: Mapping[str, str] = {
    "BadRequest": "Expected `int`, got `str` - at `$.spec.sizeBits`",
    "DecryptionFailed": "EncryptionContext mismatch — refusing to decrypt",
    "IllegalOperation": "Cannot sign with key in state Compromised",
    "KeyNotFound": "No key 8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9",
    "Unauthorized": "Missing or invalid credentials",
}
_DEV_USER: Mapping[str, _Object] = {
    "devUser": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Aegis-User",
        "description": "Dev mode only: whoever you say you are.",
    },
}
_BEARER: Mapping[str, _Object] = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}
_IN_PATH: Mapping[str, _Object] = {
    "id": {
        "description": "The key's id, in lower case with dashes, or alias: and an alias's name.",
        "schema": {"type": "string", "pattern": KEY_NAME_PATTERN},
    },
    "name": {
        "description": "The alias's name; a slash in it is spelled %2F. None begins with aegis/.",
        "schema": {"type": "string", "pattern": f"^{PATTERN}$"},
    },
    "agentId": {
        "description": "The agent's id, in lower case with dashes.",
        "schema": {"type": "string", "pattern": f"^{UUID_PATTERN}$"},
    },
    "grantId": {
        "description": "The grant's id, in lower case with dashes.",
        "schema": {"type": "string", "pattern": f"^{UUID_PATTERN}$"},
    },
    "version": {
        "description": "The number of a version.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
    },
}
_PLACES = re.compile(r"{(\w+)}")


def build_document(version: str, roots: Sequence[str], dev_mode: bool) -> dict[str, Any]:
    """Return the document of a server with these roots of trust."""
    schemas = _schemas()
    _narrow(schemas, roots, dev_mode)
    queries = {kind: schemas.pop(kind.__name__) for kind in _queries()}
    paths: dict[str, _Object] = {}
    for endpoint in ENDPOINTS:
        operation = _operation(endpoint, queries.get(endpoint.takes))
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    for page in PAGES:
        paths.setdefault(page.path, {})["get"] = _page_operation(page)
    schemes = _DEV_USER if dev_mode else _BEARER
    return {
        "openapi": "3.1.0",
        "info": {"title": "Aegis-KMS", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{name: []} for name in schemes],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": schemes},
    }


def _schemas() -> dict[str, _Object]:
    given = [outcome.gives for page in PAGES for outcome in page.outcomes if outcome.gives]
    types = {ErrorBody, DryRunView, *given, *_queries()}
    for endpoint in ENDPOINTS:
        types |= {endpoint.takes, endpoint.gives}
    _, schemas = msgspec.json.schema_components(
        sorted(types - {Nothing}, key=lambda kind: kind.__name__),
        schema_hook=schema_of_special,
        ref_template="#/components/schemas/{name}",
    )
    return schemas


def _narrow(schemas: Mapping[str, _Object], roots: Sequence[str], dev_mode: bool) -> None:
    # What this server's settings rule out is not in its document either.
    for kind in (CreateKeyRequest, RotateRequest):
        schemas[kind.__name__]["properties"]["rootOfTrust"]["enum"] = list(roots)
    if not dev_mode:
        days = schemas[ScheduleDestructionQuery.__name__]["properties"]["pendingDays"]
        days["minimum"] = LEAST_PENDING_DAYS


def _queries() -> list[type[Wire]]:
    takes = [endpoint.takes for endpoint in ENDPOINTS]
    return [kind for kind in takes if issubclass(kind, Query) and kind is not Nothing]


def _operation(endpoint: Endpoint[Any, Any, Any], query: _Object | None) -> _Object:
    taken, given = endpoint.example
    operation: _Object = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "tags": ["agents" if endpoint.path.startswith("/v1/agents") else "keys"],
    }
    parameters: list[Mapping[str, Any]] = [
        {"name": name, "in": "path", "required": True} | _IN_PATH[name]
        for name in _PLACES.findall(endpoint.path)
    ]
    if query is not None:
        parameters += _query_parameters(query)
    parameters += terms_parameters(endpoint)
    if parameters:
        operation["parameters"] = parameters
    if not issubclass(endpoint.takes, Query):
        operation["requestBody"] = {
            "required": not BodyDecoder(endpoint.takes).is_optional,
            "content": {
                "application/json": {"schema": _ref(endpoint.takes), "example": _plain(taken)}
            },
        }
    success = _json("The answer.", endpoint.gives, success_headers(endpoint))
    success["content"]["application/json"]["example"] = _plain(given)
    errors = (*_EVERYWHERE, *_AUTHENTICATED, *endpoint.errors, *terms_errors(endpoint))
    if endpoint.names_a_key:
        errors += (KeyNotFoundError,)
    if endpoint.can_be_tried and endpoint.status == 200:
        schema = success["content"]["application/json"]["schema"]
        success["content"]["application/json"]["schema"] = {"oneOf": [schema, _ref(DryRunView)]}
    responses = {str(endpoint.status): success} | _errors(errors)
    if endpoint.can_be_tried:
        responses.setdefault("200", _dry_run())
    operation["responses"] = responses
    return operation


def _dry_run() -> _Object:
    tried = _json("What a dry run tells.", DryRunView)
    tried["content"]["application/json"]["example"] = DRY_RUN_EXAMPLE
    return tried


def _page_operation(page: Page) -> _Object:
    responses = {str(outcome.status): _outcome(outcome) for outcome in page.outcomes}
    errors = (*_EVERYWHERE, *page.errors, *(() if page.is_public else (UnauthorizedError,)))
    operation: _Object = {
        "operationId": page.path.rpartition("/")[2].removesuffix(".json"),
        "summary": page.summary,
        "tags": ["service"],
        "responses": _errors(errors) | responses,
    }
    return operation | {"security": []} if page.is_public else operation


def _outcome(outcome: Outcome) -> _Object:
    if outcome.gives is not None:
        return _json(outcome.description, outcome.gives)
    if outcome.status == 304:
        return {"description": outcome.description, "headers": _headers([])}
    content = {outcome.content_type: {"schema": {"type": "string"}}}
    return {"description": outcome.description, "headers": _headers([]), "content": content}


def _errors(errors: Iterable[type[AegisError]]) -> _Object:
    codes: dict[int, set[str]] = {}
    for error in errors:
        codes.setdefault(STATUS[error.code], set()).add(error.code)
    return {str(status): _error(status, sorted(codes[status])) for status in sorted(codes)}


def _error(status: int, codes: list[str]) -> _Object:
    header = _ERROR_HEADERS.get(status)
    response = _json(" or ".join(codes), ErrorBody, [header] if header else [])
    response["content"]["application/json"]["examples"] = {
        code: {"value": {"error": code, "message": _MESSAGES.get(code, "Why, in words")}}
        for code in codes
    }
    return response


def _json(description: str, kind: type[Any], headers: Iterable[HeaderField] = ()) -> _Object:
    return {
        "description": description,
        "headers": _headers(headers),
        "content": {"application/json": {"schema": _ref(kind)}},
    }


def _headers(fields: Iterable[HeaderField]) -> _Object:
    return {
        field.name: {"description": field.description, "schema": {"type": "string"}}
        for field in (_REQUEST_ID, *fields)
    }


def _query_parameters(query: _Object) -> list[_Object]:
    return [
        {"name": name, "in": "query", "required": name in query["required"], "schema": schema}
        for name, schema in query["properties"].items()
    ]


def _operation_id(endpoint: Endpoint[Any, Any, Any]) -> str:
    name = endpoint.declaration.name
    return f"{name[0].lower()}{name[1:]}{'Batch' if endpoint.path.endswith(BATCH) else ''}"


def _ref(kind: type[Any]) -> _Object:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _plain(value: Wire) -> Any:
    return msgspec.to_builtins(value, enc_hook=encode_special)
