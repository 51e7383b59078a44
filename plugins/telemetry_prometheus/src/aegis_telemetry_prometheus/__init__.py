"""Telemetry: metrics in the Prometheus and OpenMetrics formats, served at /metrics."""

from __future__ import annotations

from aegis_kernel import Plugin as _Plugin
from aegis_kernel import PluginContext, Telemetry, hookimpl
from aegis_telemetry_prometheus.telemetry import PrometheusTelemetry

__all__ = ["Plugin", "PrometheusTelemetry"]


class Plugin(_Plugin):
    """Entry point `prometheus` of group `aegis.telemetry`."""

    spi_version = 1

    @hookimpl
    def aegis_telemetry(self, context: PluginContext) -> Telemetry:
        return PrometheusTelemetry()
