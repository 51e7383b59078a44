"""What travels when a key's state or version changes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from aegis_kernel.domain.lifecycle import KeyState
from aegis_kernel.rest.schemas import Query, Reason, RootName, Wire


class TransitionRequest(Wire, frozen=True):
    reason: Reason | UnsetType = UNSET


class CompromiseRequest(Wire, frozen=True):
    reason: Reason


class KeyStateView(Wire, frozen=True):
    id: str
    state: KeyState


class ActivatedKey(Wire, frozen=True):
    id: str
    state: KeyState
    activated_at: datetime | UnsetType = UNSET


class DeactivatedKey(Wire, frozen=True):
    id: str
    state: KeyState
    deactivated_at: datetime | UnsetType = UNSET


class SuspendedKey(Wire, frozen=True):
    id: str
    state: KeyState
    disabled: bool


class CompromisedKey(Wire, frozen=True):
    id: str
    state: KeyState
    compromised_at: datetime | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class ScheduleDestructionQuery(Query, frozen=True):
    """Days until the key is destroyed, at least 7; dev mode allows less."""

    pending_days: Annotated[int, Meta(ge=0, le=365)] | UnsetType = UNSET


class DoomedKey(Wire, frozen=True):
    """A key whose destruction is scheduled."""

    id: str
    state: KeyState
    destroy_at: datetime | UnsetType = UNSET


class RotateRequest(Wire, frozen=True):
    reason: Reason | UnsetType = UNSET
    root_of_trust: RootName | UnsetType = UNSET


class RotatedKey(Wire, frozen=True):
    id: str
    previous_version: int
    current_version: int
    rotated_at: datetime
