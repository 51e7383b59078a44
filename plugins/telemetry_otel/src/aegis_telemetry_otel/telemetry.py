"""Begins and ends a span per operation; without an exporter it does, and loads, nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aegis_kernel import Headers, Observation, Operation, Telemetry
from aegis_telemetry_otel.settings import OtelSettings

if TYPE_CHECKING:
    from aegis_telemetry_otel.tracing import Tracing

FLUSH_SECONDS = 5.0


class OtelTelemetry(Telemetry):
    """Traces of one server, through a TracerProvider of their own."""

    def __init__(self, settings: OtelSettings, flush_seconds: float = FLUSH_SECONDS) -> None:
        self._settings = settings
        self._flush_seconds = flush_seconds
        self._tracing: Tracing | None = None

    @property
    def description(self) -> str:
        exporters = ",".join(self._settings.traces_exporter)
        disabled = ", OTEL_SDK_DISABLED=true" if self._settings.sdk_disabled else ""
        return f"OpenTelemetry SDK auto-configured (OTEL_TRACES_EXPORTER={exporters}{disabled})"

    async def open(self) -> None:
        """Start the exporters. Raises BootError for one that is not installed."""
        if not self._settings.is_tracing:
            return
        # The SDK takes 10 MB and 0.3 s: whoever does not trace does not pay.
        from aegis_telemetry_otel.tracing import Tracing  # noqa: PLC0415

        self._tracing = Tracing(self._settings)

    async def aclose(self) -> None:
        """Send what is left, for at most `flush_seconds`."""
        tracing, self._tracing = self._tracing, None
        if tracing is not None:
            await asyncio.to_thread(tracing.shut_down, self._flush_seconds)

    def begin(self, operation: Operation, headers: Headers) -> Observation | None:
        if self._tracing is None:
            return None
        return self._tracing.begin(operation, headers)

    def end(
        self,
        observation: Observation | None,
        operation: Operation,
        outcome: str,
        seconds: float,
    ) -> None:
        if self._tracing is not None and observation is not None:
            self._tracing.end(observation, outcome)
