"""Telemetry: one OpenTelemetry span per operation, exported as the OTEL_* variables say."""

from __future__ import annotations

from aegis_kernel import Plugin as _Plugin
from aegis_kernel import PluginContext, Telemetry, hookimpl
from aegis_telemetry_otel.settings import OtelSettings
from aegis_telemetry_otel.telemetry import OtelTelemetry

__all__ = ["OtelSettings", "OtelTelemetry", "Plugin"]


class Plugin(_Plugin):
    """Entry point `otel` of group `aegis.telemetry`."""

    spi_version = 1
    settings = OtelSettings

    @hookimpl
    def aegis_telemetry(self, context: PluginContext) -> Telemetry:
        return OtelTelemetry(context.section(OtelSettings))
