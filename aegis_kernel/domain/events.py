"""What happens to a key, and the fold that turns a stream of events into the key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from aegis_kernel.domain.grant import Grant, GrantId, with_grant, with_retired
from aegis_kernel.domain.key import Key, KeyId, KeyVersion
from aegis_kernel.domain.lifecycle import KeyState
from aegis_kernel.domain.rotation import RotationPolicy
from aegis_kernel.domain.spec import KeySpec


class _Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    at: datetime


class KeyCreated(_Event, frozen=True, tag="KeyCreated"):
    id: KeyId
    spec: KeySpec
    owner: str
    root_of_trust: str
    tags: Mapping[str, str] = {}
    description: str | None = None
    published: bool = False


class KeyActivated(_Event, frozen=True, tag="KeyActivated"):
    reason: str | None = None


class KeyDeactivated(_Event, frozen=True, tag="KeyDeactivated"):
    reason: str | None = None


class KeyRotated(_Event, frozen=True, tag="KeyRotated"):
    version: int
    root_of_trust: str
    reason: str | None = None


class KeyImported(_Event, frozen=True, tag="KeyImported"):
    """A version whose material came from outside; it takes the key's own state."""

    version: int
    root_of_trust: str


class KeyCompromised(_Event, frozen=True, tag="KeyCompromised"):
    reason: str


class VersionCompromised(_Event, frozen=True, tag="VersionCompromised"):
    """That version processes nothing any more; the key keeps its state."""

    version: int
    reason: str


class KeyDisabled(_Event, frozen=True, tag="KeyDisabled"):
    reason: str | None = None


class KeyEnabled(_Event, frozen=True, tag="KeyEnabled"):
    reason: str | None = None


class DestructionScheduled(_Event, frozen=True, tag="DestructionScheduled"):
    """An Active key is deactivated by it; a key in any other state keeps its state."""

    destroy_at: datetime


class DestructionCancelled(_Event, frozen=True, tag="DestructionCancelled"):
    reason: str | None = None


class KeyDestroyed(_Event, frozen=True, tag="KeyDestroyed"):
    pass


class KeyUpdated(_Event, frozen=True, tag="KeyUpdated"):
    """What is unset stays as it was; None clears."""

    tags: Mapping[str, str] | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    rotation_policy: RotationPolicy | UnsetType | None = UNSET


class RotationAnnounced(_Event, frozen=True, tag="RotationAnnounced"):
    """The rotation of this version has been announced; it is not announced again."""

    version: int


class GrantCreated(_Event, frozen=True, tag="GrantCreated"):
    grant: Grant


class GrantRetired(_Event, frozen=True, tag="GrantRetired"):
    id: GrantId
    reason: str | None = None


Event = (
    KeyCreated
    | KeyActivated
    | KeyDeactivated
    | KeyRotated
    | KeyImported
    | KeyCompromised
    | KeyDisabled
    | KeyEnabled
    | DestructionScheduled
    | DestructionCancelled
    | KeyDestroyed
    | VersionCompromised
    | KeyUpdated
    | RotationAnnounced
    | GrantCreated
    | GrantRetired
)


def fold(key: Key | None, event: Event) -> Key:
    """Return the key after `event`. Pure and total: whether it was allowed is the law's question."""
    if isinstance(event, KeyCreated):
        return _created(event)
    if key is None:
        raise ValueError(f"a key's first event is KeyCreated, not {type(event).__name__}")
    return _FOLDS[type(event)](key, event)


def replay(events: Iterable[Event]) -> Key | None:
    """Return the key that the whole stream makes, or None for an empty stream."""
    key: Key | None = None
    for event in events:
        key = fold(key, event)
    return key


def _created(event: KeyCreated) -> Key:
    first = KeyVersion(1, KeyState.PRE_ACTIVE, event.at, event.root_of_trust)
    return Key(
        id=event.id,
        spec=event.spec,
        state=KeyState.PRE_ACTIVE,
        owner=event.owner,
        versions=(first,),
        created_at=event.at,
        tags=event.tags,
        description=event.description,
        published=event.published,
    )


def _activated(key: Key, event: KeyActivated) -> Key:
    versions = _with_current(key, KeyState.ACTIVE)
    return replace(key, state=KeyState.ACTIVE, versions=versions, activated_at=event.at)


def _deactivated(key: Key, event: KeyDeactivated | DestructionScheduled) -> Key:
    versions = _with_current(key, KeyState.DEACTIVATED)
    return replace(key, state=KeyState.DEACTIVATED, versions=versions, deactivated_at=event.at)


def _rotated(key: Key, event: KeyRotated) -> Key:
    added = KeyVersion(event.version, KeyState.ACTIVE, event.at, event.root_of_trust)
    return replace(key, versions=(*_with_current(key, KeyState.DEACTIVATED), added))


def _imported(key: Key, event: KeyImported) -> Key:
    # Nothing leads from PreActive to Deactivated (KMIP 2.1 §4.57): a version that was replaced before
    # anyone could use it stays PreActive, and is never used.
    active = key.state is KeyState.ACTIVE
    before = _with_current(key, KeyState.DEACTIVATED) if active else key.versions
    added = KeyVersion(event.version, key.state, event.at, event.root_of_trust, imported=True)
    return replace(key, versions=(*before, added))


def _compromised(key: Key, event: KeyCompromised) -> Key:
    return replace(
        key,
        state=KeyState.COMPROMISED,
        versions=tuple(_harmed(version, event) for version in key.versions),
        compromised_at=event.at,
        reason=event.reason,
    )


def _version_compromised(key: Key, event: VersionCompromised) -> Key:
    versions = tuple(
        _harmed(version, event) if version.number == event.version else version
        for version in key.versions
    )
    return replace(key, versions=versions)


def _harmed(version: KeyVersion, event: KeyCompromised | VersionCompromised) -> KeyVersion:
    if version.state is KeyState.COMPROMISED:
        return version
    return replace(
        version, state=KeyState.COMPROMISED, compromised_at=event.at, reason=event.reason
    )


def _scheduled(key: Key, event: DestructionScheduled) -> Key:
    if key.state is KeyState.ACTIVE:
        key = _deactivated(key, event)
    return replace(key, destroy_at=event.destroy_at)


def _destroyed(key: Key, event: KeyDestroyed) -> Key:
    return replace(
        key,
        state=KeyState.DESTROYED,
        versions=_with_all(key, KeyState.DESTROYED),
        destroy_at=None,
        destroyed_at=event.at,
    )


def _updated(key: Key, event: KeyUpdated) -> Key:
    changes: dict[str, Any] = {
        name: value
        for name in ("tags", "description", "rotation_policy")
        if (value := getattr(event, name)) is not UNSET
    }
    if "rotation_policy" in changes:
        changes["announced_version"] = None
    return replace(key, **changes)


def _with_current(key: Key, state: KeyState) -> tuple[KeyVersion, ...]:
    current = key.versions[-1]
    if current.state is KeyState.COMPROMISED:
        return key.versions
    return (*key.versions[:-1], replace(current, state=state))


def _with_all(key: Key, state: KeyState) -> tuple[KeyVersion, ...]:
    return tuple(replace(version, state=state) for version in key.versions)


_FOLDS: Mapping[type[Any], Callable[[Key, Any], Key]] = {
    KeyActivated: _activated,
    KeyDeactivated: _deactivated,
    KeyRotated: _rotated,
    KeyImported: _imported,
    KeyCompromised: _compromised,
    KeyDisabled: lambda key, event: replace(key, disabled=True),
    KeyEnabled: lambda key, event: replace(key, disabled=False),
    DestructionScheduled: _scheduled,
    DestructionCancelled: lambda key, event: replace(key, destroy_at=None),
    KeyDestroyed: _destroyed,
    VersionCompromised: _version_compromised,
    KeyUpdated: _updated,
    RotationAnnounced: lambda key, event: replace(key, announced_version=event.version),
    GrantCreated: lambda key, event: replace(key, grants=with_grant(key.grants, event.grant)),
    GrantRetired: lambda key, event: replace(
        key, grants=with_retired(key.grants, event.id, event.at)
    ),
}
