"""What travels about the versions of a key."""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET, UnsetType

from aegis_kernel.domain.key import KeyVersion
from aegis_kernel.domain.lifecycle import KeyState
from aegis_kernel.rest.schemas import Wire, or_unset, wire_time, wire_time_or_unset


class VersionView(Wire, frozen=True):
    version: int
    state: KeyState
    created_at: datetime
    root_of_trust: str
    imported: bool
    compromised_at: datetime | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class VersionPage(Wire, frozen=True):
    items: list[VersionView]
    next_cursor: str | UnsetType = UNSET


class KeyVersions(Wire, frozen=True):
    """A key with all its versions, after one of them changed. The key's state is its own."""

    id: str
    state: KeyState
    versions: list[VersionView]


def version_view(version: KeyVersion) -> VersionView:
    return VersionView(
        version=version.number,
        state=version.state,
        created_at=wire_time(version.created_at),
        root_of_trust=version.root_of_trust,
        imported=version.imported,
        compromised_at=wire_time_or_unset(version.compromised_at),
        reason=or_unset(version.reason),
    )
