"""What the document says of If-Match, Idempotency-Key and dryRun, by the kind of endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aegis_kernel.domain.errors import (
    AegisError,
    ConflictError,
    IdempotencyMismatchError,
    PreconditionFailedError,
)
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.engine.operations.messages import KeyAnswer
from aegis_kernel.rest.endpoint import Endpoint, HeaderField
from aegis_kernel.rest.terms import IDEMPOTENCY_KEY_PATTERN, IF_MATCH_PATTERN

ETAG = HeaderField("ETag", "The number of the key's last event, for If-Match.")

DRY_RUN_EXAMPLE: Mapping[str, Any] = {
    "allowed": False,
    "reason": "Cannot sign with key in state Compromised",
}

_IF_MATCH: Mapping[str, Any] = {
    "name": "If-Match",
    "in": "header",
    "description": "Only while the key's ETag is this one.",
    "schema": {"type": "string", "pattern": IF_MATCH_PATTERN},
}
_IDEMPOTENCY_KEY: Mapping[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same request under the same key has one effect, for 24 hours.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": IDEMPOTENCY_KEY_PATTERN,
    },
}
_DRY_RUN: Mapping[str, Any] = {
    "name": "dryRun",
    "in": "query",
    "description": "true: only tell whether it would be allowed, and do nothing.",
    "schema": {"type": "boolean"},
}


def terms_parameters(endpoint: Endpoint[Any, Any, Any]) -> Iterator[Mapping[str, Any]]:
    """Return the parameters that set the terms of a request."""
    if endpoint.names_a_key:
        yield _IF_MATCH
    if endpoint.declaration.changes:
        yield _IDEMPOTENCY_KEY
    if endpoint.can_be_tried:
        yield _DRY_RUN


def terms_errors(endpoint: Endpoint[Any, Any, Any]) -> Iterator[type[AegisError]]:
    """Return the errors that only terms can bring about."""
    if endpoint.names_a_key:
        yield PreconditionFailedError
    if endpoint.declaration.changes:
        yield from (ConflictError, IdempotencyMismatchError)


def success_headers(endpoint: Endpoint[Any, Any, Any]) -> Iterator[HeaderField]:
    """Return the headers of the endpoint's good answers."""
    if endpoint.header is not None:
        yield endpoint.header
    if _gives_a_key(endpoint):
        yield ETAG


def _gives_a_key(endpoint: Endpoint[Any, Any, Any]) -> bool:
    declaration = endpoint.declaration
    return declaration.answers_with is KeyAnswer and (
        declaration.changes or declaration.name is Operation.GET
    )
