"""Finds a span exporter by the name that OTEL_TRACES_EXPORTER gives it, and configures it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter

from aegis_kernel import BootError
from aegis_telemetry_otel.settings import OtelSettings, Protocol

GROUP = "opentelemetry_traces_exporter"
OTLP = "otlp"
CONSOLE = "console"
_OTLP_NAMES: Mapping[Protocol, str] = {
    Protocol.HTTP: "otlp_proto_http",
    Protocol.GRPC: "otlp_proto_grpc",
}
_HTTP_ENDPOINT = "http://localhost:4318"
_GRPC_ENDPOINT = "http://localhost:4317"


def build_exporter(name: str, settings: OtelSettings) -> SpanExporter:
    """Return the exporter. Raises BootError, saying what is installed, if it is not."""
    if name == CONSOLE:
        # Standard output belongs to the audit records alone.
        return ConsoleSpanExporter(out=sys.stderr)
    if name == OTLP:
        return _load(_find_otlp(settings.protocol))(**_otlp_arguments(settings))
    return _load(_find(name))()


def _find_otlp(protocol: Protocol) -> EntryPoint:
    found = _installed().get(_OTLP_NAMES[protocol])
    if found is None:
        raise BootError(
            f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol} needs a package that is not installed: "
            f"pip install opentelemetry-exporter-{_OTLP_NAMES[protocol].replace('_', '-')}, "
            f"or set another of {', '.join(Protocol)}"
        )
    return found


def _find(name: str) -> EntryPoint:
    installed = _installed()
    if name not in installed:
        raise BootError(
            f"OTEL_TRACES_EXPORTER={name} is not installed; "
            f"installed are {', '.join(sorted({'none', OTLP, *installed}))}"
        )
    return installed[name]


def _installed() -> dict[str, EntryPoint]:
    return {found.name: found for found in entry_points(group=GROUP)}


def _load(found: EntryPoint) -> Callable[..., SpanExporter]:
    try:
        exporter: Callable[..., SpanExporter] = found.load()
    except ImportError as error:
        raise BootError(f"The span exporter {found.name} cannot be imported: {error}") from error
    return exporter


def _otlp_arguments(settings: OtelSettings) -> dict[str, Any]:
    """Everything that is given explicitly is not read from the process environment."""
    return {
        "endpoint": settings.traces_endpoint or _endpoint(settings),
        "headers": settings.reveal_headers(),
        "timeout": settings.timeout_seconds,
    }


def _endpoint(settings: OtelSettings) -> str:
    if settings.protocol is Protocol.GRPC:
        return settings.endpoint or _GRPC_ENDPOINT
    return (settings.endpoint or _HTTP_ENDPOINT).removesuffix("/") + "/v1/traces"
