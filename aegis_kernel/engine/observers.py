"""All telemetries as one: what an operation is observed by. None of them can fail or stop one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import Principal
from aegis_kernel.engine.faults import ANYTHING, Faults
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.telemetry import Exposition, Observation, SinkLag, Telemetry


class Watch(msgspec.Struct, frozen=True, gc=False):
    """An operation under way."""

    operation: Operation
    started: float
    observations: tuple[Observation | None, ...]


class Observers:
    """Tells every telemetry, in order; one that raises is noted, and the others are told."""

    def __init__(
        self, telemetries: tuple[Telemetry, ...], clock: Clock, faults: Faults | None = None
    ) -> None:
        self._telemetries = telemetries
        self._clock = clock
        self._faults = faults or Faults(clock)

    def begin(self, operation: Operation, headers: Any) -> Watch:
        observations: list[Observation | None] = []
        for telemetry in self._telemetries:
            try:
                observations.append(telemetry.begin(operation, headers or {}))
            except ANYTHING as error:
                observations.append(None)
                self._failed(telemetry, error)
        return Watch(operation, self._clock.monotonic(), tuple(observations))

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
            try:
                if observation is not None:
                    observation.describe(principal, key_id)
                telemetry.end(observation, watch.operation, outcome, seconds)
                for further in items[1:]:
                    telemetry.end(None, watch.operation, further, seconds)
            except ANYTHING as error:
                self._failed(telemetry, error)

    def committed(self, entries: int, seconds: float) -> None:
        self._tell(lambda telemetry: telemetry.committed(entries, seconds))

    def sinks(self, lags: tuple[SinkLag, ...]) -> None:
        self._tell(lambda telemetry: telemetry.sinks(lags))

    def refused_authentication(self) -> None:
        self._tell(lambda telemetry: telemetry.refused_authentication())

    def plugin_failed(self, port: str, kind: str) -> None:
        # Not told to one that fails at this too: it would be told of that, and fail again.
        for telemetry in self._telemetries:
            try:
                telemetry.plugin_failed(port, kind)
            except ANYTHING:
                continue

    def overloaded(self) -> None:
        self._tell(lambda telemetry: telemetry.overloaded())

    def loop_late(self, seconds: float) -> None:
        self._tell(lambda telemetry: telemetry.loop_late(seconds))

    def expose(self, accept: str) -> Exposition | None:
        """Return the first page of metrics that a telemetry has."""
        for telemetry in self._telemetries:
            try:
                page = telemetry.expose(accept)
            except ANYTHING as error:
                self._failed(telemetry, error)
                continue
            if type(page) is Exposition:
                return page
        return None

    def _tell(self, tell: Callable[[Telemetry], None]) -> None:
        for telemetry in self._telemetries:
            try:
                tell(telemetry)
            except ANYTHING as error:
                self._failed(telemetry, error)

    def _failed(self, telemetry: Telemetry, error: BaseException) -> None:
        self._faults.note("telemetry", type(telemetry).__name__, error)
