"""What headers and query say beside the request: If-Match, Idempotency-Key, dryRun."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.engine.operations.declaration import Terms

IF_MATCH = b"if-match"
IDEMPOTENCY_KEY = b"idempotency-key"

IF_MATCH_PATTERN = r'^"(0|[1-9][0-9]{0,17})"$'
IDEMPOTENCY_KEY_PATTERN = r"^[!-~]{1,255}$"

_SEQUENCE = re.compile(IF_MATCH_PATTERN.strip("^$").encode()).fullmatch
_KEY = re.compile(IDEMPOTENCY_KEY_PATTERN.strip("^$").encode()).fullmatch

_DRY = b"dryRun="


def read_terms(scope: Any, headers: Mapping[bytes, bytes], *, names_a_key: bool) -> Terms:
    """Return what the headers say. Raises BadRequestError for one that comes twice or is not ours."""
    return Terms(
        sequence=_sequence(scope, headers, names_a_key),
        idempotency_key=_idempotency_key(scope, headers),
    )


def split_dry_run(query: bytes) -> tuple[bool, bytes]:
    """Return whether the query asks for a dry run, and the query without that.

    Raises BadRequestError where `dryRun` is neither true nor false, or comes twice.
    """
    if _DRY not in query:
        return False, query
    parts = query.split(b"&")
    said = [part for part in parts if part.startswith(_DRY)]
    if said not in ([b"dryRun=true"], [b"dryRun=false"]):
        raise BadRequestError("dryRun is true or false, and comes once")
    rest = b"&".join(part for part in parts if part not in said)
    return said == [b"dryRun=true"], rest


def _sequence(scope: Any, headers: Mapping[bytes, bytes], names_a_key: bool) -> int | None:
    value = _only(scope, headers, IF_MATCH)
    if value is None:
        return None
    match = _SEQUENCE(value)
    if match is None or not names_a_key:
        raise BadRequestError('If-Match takes one ETag of a key, such as "7"')
    return int(match[1])


def _idempotency_key(scope: Any, headers: Mapping[bytes, bytes]) -> str | None:
    value = _only(scope, headers, IDEMPOTENCY_KEY)
    if value is None:
        return None
    if _KEY(value) is None:
        raise BadRequestError("Idempotency-Key takes 1 to 255 visible ASCII characters")
    return value.decode("ascii")


def _only(scope: Any, headers: Mapping[bytes, bytes], name: bytes) -> bytes | None:
    if name not in headers:
        return None
    if sum(sent == name for sent, _ in scope["headers"]) > 1:
        raise BadRequestError(f"The header {name.decode()} came twice")
    return headers[name]
