"""The health of every component, asked at most once a second."""

from __future__ import annotations

import asyncio

import msgspec

from aegis_kernel.engine.faults import PluginFaultError, contained
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.provider import Health, Provider, Status

CHECK_SECONDS = 2.0
FRESH_SECONDS = 1.0

# Without these the service cannot do its work; without the others it still can.
_VITAL = frozenset({"journal", "authenticator", "authorizer"})


class Component(msgspec.Struct, frozen=True):
    """An opened provider, and the names under which it was chosen."""

    port: str
    kind: str
    provider: Provider


class ComponentHealth(msgspec.Struct, frozen=True):
    port: str
    kind: str
    status: Status
    detail: str | None = None


class HealthReport(msgspec.Struct, frozen=True):
    status: Status
    version: str
    components: tuple[ComponentHealth, ...]


class HealthBoard:
    """Asks all components together; one that does not answer in 2 s is unavailable."""

    def __init__(self, components: tuple[Component, ...], version: str, clock: Clock) -> None:
        self._components = components
        self._version = version
        self._clock = clock
        self._asked_at = float("-inf")
        self._lock = asyncio.Lock()
        self.last = HealthReport(Status.OK, version, ())

    async def report(self) -> HealthReport:
        """Return how every component is, as of at most a second ago."""
        async with self._lock:
            if self._clock.monotonic() - self._asked_at >= FRESH_SECONDS:
                healths = await asyncio.gather(*(_ask(each) for each in self._components))
                self.last = HealthReport(_overall(healths), self._version, tuple(healths))
                self._asked_at = self._clock.monotonic()
            return self.last


async def _ask(component: Component) -> ComponentHealth:
    try:
        health = await asyncio.wait_for(contained(component.provider.check), CHECK_SECONDS)
        if type(health) is not Health or type(health.status) is not Status:
            raise PluginFaultError("no Health")
    except Exception as error:  # noqa: BLE001 - whatever it raises, it is not well
        health = Health(Status.UNAVAILABLE, type(error).__name__)
    return ComponentHealth(component.port, component.kind, health.status, health.detail)


def _overall(healths: list[ComponentHealth]) -> Status:
    if any(h.status is Status.UNAVAILABLE and h.port in _VITAL for h in healths):
        return Status.UNAVAILABLE
    if any(h.status is not Status.OK for h in healths):
        return Status.DEGRADED
    return Status.OK
