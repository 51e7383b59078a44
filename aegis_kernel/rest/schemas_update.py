"""What travels when tags, description or rotation policy change."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from aegis_kernel.domain.lifecycle import KeyState
from aegis_kernel.domain.rotation import RotationPolicy
from aegis_kernel.rest.schemas import Description, Tags, Wire, or_none, or_unset

_Days = Annotated[int, Meta(ge=1, le=3650)]
_Operations = Annotated[int, Meta(ge=1, le=2**53 - 1)]


class RotationPolicyFields(Wire, frozen=True):
    """Rotation `periodDays` after activation or the last rotation, or once the current version has
    protected `afterOperations` times; announced `noticeDays` before the period ends. At least one
    of the first two; notice needs a longer period.
    """

    period_days: _Days | UnsetType = UNSET
    after_operations: _Operations | UnsetType = UNSET
    notice_days: _Days | UnsetType = UNSET


class UpdateKeyRequest(Wire, frozen=True):
    """What is left out stays as it is; null clears; `tags` replaces all tags."""

    tags: Tags | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    rotation_policy: RotationPolicyFields | UnsetType | None = UNSET


class UpdatedKey(Wire, frozen=True):
    """The key's tags, description and rotation policy as they are now."""

    id: str
    state: KeyState
    tags: dict[str, str] | UnsetType = UNSET
    description: str | UnsetType = UNSET
    rotation_policy: RotationPolicyFields | UnsetType = UNSET


def to_policy(
    fields: RotationPolicyFields | UnsetType | None,
) -> RotationPolicy | UnsetType | None:
    """Return the kernel's words for a policy; unset and null stay what they are."""
    if fields is UNSET or fields is None:
        return fields
    return RotationPolicy(
        period_days=or_none(fields.period_days),
        after_operations=or_none(fields.after_operations),
        notice_days=or_none(fields.notice_days),
    )


def policy_fields(policy: RotationPolicy | None) -> RotationPolicyFields | UnsetType:
    """Return a policy as answers show it."""
    if policy is None:
        return UNSET
    return RotationPolicyFields(
        period_days=or_unset(policy.period_days),
        after_operations=or_unset(policy.after_operations),
        notice_days=or_unset(policy.notice_days),
    )
