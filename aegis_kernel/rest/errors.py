"""One shape for every error: `{"error": code, "message": text}`; one table from code to status."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from aegis_kernel.domain.errors import (
    AegisError,
    BadRequestError,
    ConflictError,
    DecryptionFailedError,
    IdempotencyMismatchError,
    IllegalOperationError,
    InternalError,
    KeyNotFoundError,
    MethodNotAllowedError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    PreconditionFailedError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
    UnsupportedMediaTypeError,
)
from aegis_kernel.rest.answer import Answer, Headers, json_answer

STATUS: Mapping[str, int] = MappingProxyType(
    {
        BadRequestError.code: 400,
        DecryptionFailedError.code: 400,
        UnauthorizedError.code: 401,
        PermissionDeniedError.code: 403,
        KeyNotFoundError.code: 404,
        NotFoundError.code: 404,
        MethodNotAllowedError.code: 405,
        ConflictError.code: 409,
        IllegalOperationError.code: 409,
        PreconditionFailedError.code: 412,
        PayloadTooLargeError.code: 413,
        UnsupportedMediaTypeError.code: 415,
        IdempotencyMismatchError.code: 422,
        TooManyRequestsError.code: 429,
        InternalError.code: 500,
        UnavailableError.code: 503,
    }
)

_CHALLENGE = (b"www-authenticate", b'Bearer realm="aegis"')
_log = logging.getLogger("aegis")


class ErrorBody(msgspec.Struct, frozen=True):
    """Why it was refused: a code for programs, a text for people."""

    error: str
    message: str


def answer_to(error: Exception, request_id: str) -> Answer:
    """Return the answer to any error. What is not ours to tell is logged, and said by its id only."""
    if isinstance(error, AegisError) and _may_be_told(error):
        return _refusal(error, _headers(error))
    if isinstance(error, MethodNotAllowedException):
        allowed = _with_head((error.headers or {}).get("allow", "").split(", "))
        text = ", ".join(allowed)
        return _refusal(
            MethodNotAllowedError(f"This path takes {text}"), ((b"allow", text.encode()),)
        )
    if isinstance(error, NotFoundException):
        return _refusal(NotFoundError("Nothing is here; /docs/ says what is where"))
    if isinstance(error, HTTPException) and error.status_code == 400:
        return _refusal(BadRequestError(error.detail))
    _log.error("request %s failed", request_id, exc_info=error)
    return _refusal(InternalError(f"Unexpected error; its request id is {request_id}"))


def allowed_methods(methods: set[str]) -> bytes:
    """Return the `Allow` header of a path that has `methods` in the table."""
    return ", ".join(_with_head([*methods, "OPTIONS"])).encode()


def _may_be_told(error: AegisError) -> bool:
    return error.code in STATUS and error.code != InternalError.code


def _with_head(methods: list[str]) -> list[str]:
    return sorted({*methods, "HEAD"} if "GET" in methods else {*methods})


def _refusal(error: AegisError, extra: Headers = ()) -> Answer:
    body = msgspec.json.encode(ErrorBody(error.code, error.message))
    return json_answer(STATUS[error.code], body, extra)


def _headers(error: AegisError) -> Headers:
    if isinstance(error, UnauthorizedError):
        return (_CHALLENGE,)
    if isinstance(error, TooManyRequestsError | UnavailableError):
        return ((b"retry-after", b"%d" % error.retry_after_seconds),)
    return ()
