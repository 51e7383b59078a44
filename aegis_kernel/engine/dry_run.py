"""Dry runs: whether an operation would be allowed, and by what; nothing is done."""

from __future__ import annotations

import msgspec

from aegis_kernel.domain.audit import Mode
from aegis_kernel.domain.errors import (
    AegisError,
    IllegalOperationError,
    PermissionDeniedError,
    PreconditionFailedError,
)
from aegis_kernel.domain.key import Key
from aegis_kernel.engine.operations.declaration import Effect


class Allowance(msgspec.Struct, frozen=True):
    """What a dry run comes to: whether the operation would be allowed, and by or against what."""

    allowed: bool
    reason: str


# What a dry run is asked for. Anything else that stops it is an error of its own.
REFUSALS: tuple[type[AegisError], ...] = (
    PermissionDeniedError,
    IllegalOperationError,
    PreconditionFailedError,
)


def allowance(reason: str, key: Key | None) -> Effect:
    """Return the effect of a dry run that nothing refused; `reason` is the authorizer's."""
    why = reason if key is None else f"{reason}; key state={key.state}"
    return Effect(answer=Allowance(allowed=True, reason=why), reason=why, mode=Mode.DRY_RUN)


def refusal(error: AegisError) -> Effect:
    """Return the effect of a dry run that `error` refused."""
    said = error.message
    if isinstance(error, PermissionDeniedError) and error.reason:
        said = f"{said}: {error.reason}"
    return Effect(
        answer=Allowance(allowed=False, reason=said),
        outcome=error.code,
        reason=error.reason,
        mode=Mode.DRY_RUN,
    )
