"""Telemetry: metrics in the Prometheus and OpenMetrics formats, served at /metrics."""

from __future__ import annotations

from aegis_kernel import Plugin as _Plugin
from aegis_kernel import PluginContext, Telemetry, hookimpl
from aegis_telemetry_prometheus.settings import PrometheusSettings
from aegis_telemetry_prometheus.telemetry import PrometheusTelemetry

__all__ = ["Plugin", "PrometheusSettings", "PrometheusTelemetry"]


class Plugin(_Plugin):
    """Entry point `prometheus` of group `aegis.telemetry`."""

    spi_version = 1
    settings = PrometheusSettings
    workers_directory = "PROMETHEUS_MULTIPROC_DIR"

    @hookimpl
    def aegis_telemetry(self, context: PluginContext) -> Telemetry:
        return PrometheusTelemetry(context.section(PrometheusSettings).multiproc_dir)
