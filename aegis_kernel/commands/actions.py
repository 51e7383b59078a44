"""What an operator can ask for, whether a server runs or not."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import msgspec

from aegis_kernel.engine.backups import Backups
from aegis_kernel.engine.master_rotation import MasterRotation
from aegis_kernel.engine.policies import Policies
from aegis_kernel.engine.policy_replay import Replayed, replay
from aegis_kernel.engine.providers import Providers


class Action(StrEnum):
    MASTER_STATUS = "master.status"
    MASTER_ROTATE = "master.rotate"
    BACKUP_CREATE = "backup.create"
    POLICY_ACTIVATE = "policy.activate"
    POLICY_REPLAY = "policy.replay"


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One request, as the admin socket carries it: a line of JSON. `file` is an absolute path.

    `since` and `groups` ({subject: its groups}) are of a replay.
    """

    do: Action
    file: str = ""
    since: datetime | None = None
    groups: dict[str, frozenset[str]] = {}


class Tools(Protocol):
    """What the actions work with: a kernel, or one that only holds journal and roots of trust."""

    master_rotation: MasterRotation
    backups: Backups
    providers: Providers

    async def policies_at_hand(self) -> Policies:
        """Return the policies of the chosen authorizer, which is open."""
        ...


async def carry_out(tools: Tools, request: Request, asked_by: str) -> object:
    """Return the answer, ready for JSON. Raises AegisError or BootError."""
    if request.do is Action.MASTER_STATUS:
        return await tools.master_rotation.status()
    if request.do is Action.BACKUP_CREATE:
        return await tools.backups.create(Path(request.file), asked_by)
    if request.do is Action.POLICY_ACTIVATE:
        return await (await tools.policies_at_hand()).activate(asked_by)
    if request.do is Action.POLICY_REPLAY:
        return await _replay(tools.providers, request)
    return await tools.master_rotation.rotate(asked_by)


async def _replay(providers: Providers, request: Request) -> Replayed:
    return await replay(
        providers.journal,
        providers.authorizer,
        path=Path(request.file) if request.file else None,
        since=request.since or datetime.fromtimestamp(0, UTC),
        groups=request.groups,
    )
