"""What an operator can ask for, whether a server runs or not."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Protocol

import msgspec

from aegis_kernel.engine.backups import Backups
from aegis_kernel.engine.master_rotation import MasterRotation
from aegis_kernel.engine.policies import Policies


class Action(StrEnum):
    MASTER_STATUS = "master.status"
    MASTER_ROTATE = "master.rotate"
    BACKUP_CREATE = "backup.create"
    POLICY_ACTIVATE = "policy.activate"


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One request, as the admin socket carries it: a line of JSON. `file` is an absolute path."""

    do: Action
    file: str = ""


class Tools(Protocol):
    """What the actions work with: a kernel, or one that only holds journal and roots of trust."""

    master_rotation: MasterRotation
    backups: Backups

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
    return await tools.master_rotation.rotate(asked_by)
