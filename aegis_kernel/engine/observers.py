"""All telemetries as one: what an operation is observed by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import Principal
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.telemetry import Exposition, Observation, SinkLag, Telemetry


class Watch(msgspec.Struct, frozen=True, gc=False):
    """An operation under way."""

    operation: Operation
    started: float
    observations: tuple[Observation | None, ...]


class Observers:
    """Tells every telemetry, in order."""

    def __init__(self, telemetries: tuple[Telemetry, ...], clock: Clock) -> None:
        self._telemetries = telemetries
        self._clock = clock

    def begin(self, operation: Operation, headers: Any) -> Watch:
        observations = tuple([t.begin(operation, headers or {}) for t in self._telemetries])
        return Watch(operation, self._clock.monotonic(), observations)

    def end(
        self,
        watch: Watch,
        outcome: str,
        principal: Principal,
        key_id: KeyId | None,
        items: Sequence[str] = (),
    ) -> None:
        """Tell how it ended. Each of the `items` of a batch counts, with its share of the time."""
        seconds = (self._clock.monotonic() - watch.started) / (len(items) or 1)
        for telemetry, observation in zip(self._telemetries, watch.observations, strict=True):
            if observation is not None:
                observation.describe(principal, key_id)
            telemetry.end(observation, watch.operation, outcome, seconds)
            for further in items[1:]:
                telemetry.end(None, watch.operation, further, seconds)

    def committed(self, entries: int, seconds: float) -> None:
        for telemetry in self._telemetries:
            telemetry.committed(entries, seconds)

    def sinks(self, lags: tuple[SinkLag, ...]) -> None:
        for telemetry in self._telemetries:
            telemetry.sinks(lags)

    def refused_authentication(self) -> None:
        for telemetry in self._telemetries:
            telemetry.refused_authentication()

    def expose(self, accept: str) -> Exposition | None:
        """Return the first page of metrics that a telemetry has."""
        for telemetry in self._telemetries:
            page = telemetry.expose(accept)
            if page is not None:
                return page
        return None
