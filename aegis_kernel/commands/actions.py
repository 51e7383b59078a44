"""What an operator can ask for, whether a server runs or not."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import msgspec

from aegis_kernel.engine.master_rotation import MasterRotation


class Action(StrEnum):
    MASTER_STATUS = "master.status"
    MASTER_ROTATE = "master.rotate"


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One request, as the admin socket carries it: a line of JSON."""

    do: Action


class Tools(Protocol):
    """What the actions work with: a kernel, or one that only holds journal and roots of trust."""

    master_rotation: MasterRotation


async def carry_out(tools: Tools, request: Request, asked_by: str) -> object:
    """Return the answer, ready for JSON. Raises AegisError or BootError."""
    if request.do is Action.MASTER_STATUS:
        return await tools.master_rotation.status()
    return await tools.master_rotation.rotate(asked_by)
