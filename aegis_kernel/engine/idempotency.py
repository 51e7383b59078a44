"""Idempotency keys: one effect, and one answer, for a request that comes more than once.

The semantics are those of draft-ietf-httpapi-idempotency-key-header-07. What is stored gives away
neither the caller's key nor the request: both only stand in digests, and that of the request is
keyed with the whole scope, which is not stored.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any

import msgspec

from aegis_kernel.domain.alias import Alias
from aegis_kernel.domain.audit import Mode
from aegis_kernel.domain.errors import ConflictError, IdempotencyMismatchError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.principal import Principal
from aegis_kernel.domain.secret import Secret
from aegis_kernel.engine.operations.declaration import Declaration, Effect
from aegis_kernel.spi.journal import IdempotencyRow

LIFETIME = timedelta(hours=24)

# HMAC replaces a long key by its SHA-256, so scope and digest must not hash the same bytes.
_SCOPE_LABEL = b"aegis idempotency scope\x00"
_REQUEST_LABEL = b"aegis idempotency request\x00"

_NOTHING = b"null"


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What a request with an idempotency key is known by: its scope, and a digest of itself."""

    scope: str
    digest: bytes


class _Memory(msgspec.Struct, frozen=True, rename="camel"):
    """What a row's `response` holds. The answer is null where it would have held a secret."""

    key_id: KeyId | None
    answer: msgspec.Raw
    agent_id: str | None = None


class _SecretFoundError(Exception):
    pass


def claim(
    declaration: Declaration[Any, Any],
    principal: Principal,
    key_id: KeyId | Alias | None,
    idempotency_key: str,
    request: Any,
) -> Claim:
    """Return the claim of a request; equal requests of one caller have equal claims."""
    scope = msgspec.json.encode(
        (
            principal.kind,
            principal.subject,
            declaration.name,
            key_id and str(key_id),
            idempotency_key,
        )
    )
    said = msgspec.json.encode(request, enc_hook=_reveal, order="deterministic")
    return Claim(
        scope=hashlib.sha256(_SCOPE_LABEL + scope).hexdigest(),
        digest=hmac.digest(_REQUEST_LABEL + scope, said, "sha256"),
    )


def remember(
    claimed: Claim, answer: Any, key_id: KeyId | None, now: datetime, agent_id: str | None = None
) -> IdempotencyRow:
    """Return the row to commit with the effect that `answer` tells of."""
    memory = _Memory(key_id, _without_secrets(answer), agent_id)
    return IdempotencyRow(
        scope=claimed.scope,
        digest=claimed.digest,
        response=msgspec.json.encode(memory),
        expires_at=now + LIFETIME,
    )


def recall(row: IdempotencyRow, claimed: Claim, answers_with: Any) -> Effect:
    """Return the effect of a replay: the stored answer, and nothing else.

    Raises IdempotencyMismatchError for another request under the same key, and ConflictError where
    the answer held a secret, which is told once only.
    """
    if not hmac.compare_digest(row.digest, claimed.digest):
        raise IdempotencyMismatchError(
            "This Idempotency-Key stood for another request; a new request needs a new key"
        )
    memory = msgspec.json.decode(row.response, type=_Memory)
    if bytes(memory.answer) == _NOTHING:
        raise ConflictError(
            f"Done already, for {memory.key_id or memory.agent_id}: its answer held a secret and is not repeated",
            reason="idempotent replay",
        )
    return Effect(
        answer=msgspec.json.decode(memory.answer, type=answers_with),
        key_id=memory.key_id,
        agent_id=memory.agent_id,
        reason="idempotent replay",
        mode=Mode.REPLAY,
    )


def _without_secrets(answer: Any) -> msgspec.Raw:
    try:
        return msgspec.Raw(msgspec.json.encode(answer, enc_hook=_refuse_secret))
    except _SecretFoundError:
        return msgspec.Raw(_NOTHING)


def _reveal(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError


def _refuse_secret(value: Any) -> Any:
    raise _SecretFoundError if isinstance(value, Secret) else NotImplementedError
