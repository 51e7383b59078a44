"""When a key's rotation policy is due: pure sums over the key as it stands."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from aegis_kernel.domain.lifecycle import KeyState

if TYPE_CHECKING:
    from aegis_kernel.domain.key import Key


class RotationPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rotate `period_days` after activation or the last rotation, or once the current version has
    protected `after_operations` times; say so `notice_days` before the period ends.
    """

    period_days: int | None = None
    after_operations: int | None = None
    notice_days: int | None = None


def next_rotation(key: Key) -> datetime | None:
    """Return when the period of the current version ends, or None where no period runs.

    A period runs while the key is Active, neither disabled nor scheduled for destruction, and its
    current version was made here: an imported one is its owner's to replace.
    """
    policy = key.rotation_policy
    if policy is None or policy.period_days is None or not _may_rotate(key):
        return None
    began = key.versions[-1].created_at
    if key.activated_at is not None and key.activated_at > began:
        began = key.activated_at
    return began + timedelta(days=policy.period_days)


def next_notice(key: Key) -> datetime | None:
    """Return when the coming rotation is to be announced; None where it need not be, or has been."""
    rotation, policy = next_rotation(key), key.rotation_policy
    if rotation is None or policy is None or policy.notice_days is None:
        return None
    if key.announced_version == key.current_version:
        return None
    return rotation - timedelta(days=policy.notice_days)


def is_used_up(key: Key, protections: int) -> bool:
    """Return whether `protections` by the current version are as many as the policy allows."""
    policy = key.rotation_policy
    if policy is None or policy.after_operations is None or not _may_rotate(key):
        return False
    return protections >= policy.after_operations


def _may_rotate(key: Key) -> bool:
    live = key.state is KeyState.ACTIVE and not key.disabled and key.destroy_at is None
    return live and not key.versions[-1].imported
