"""What every provider of every port has in common."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import msgspec


class Status(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


class Health(msgspec.Struct, frozen=True):
    """A component's health. `detail` is for operators: no secrets, no addresses with passwords."""

    status: Status
    detail: str | None = None


HEALTHY = Health(Status.OK)


class Provider(Protocol):
    """The life of a provider: built without I/O by its hook, then opened, checked, closed."""

    async def open(self) -> None:
        """Do the I/O that boot needs. Raise BootError, naming the remedy, to stop the boot."""

    async def aclose(self) -> None:
        """Release everything. Called once, also after an `open` that failed."""

    async def check(self) -> Health:
        """Return the component's health; the kernel gives it 2 seconds and treats errors as bad."""
        return HEALTHY
