"""The OTEL_* variables that are honoured, as the OpenTelemetry specification names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Annotated, ClassVar
from urllib.parse import unquote

from aegis_kernel import Env, Secret, SettingsSection

NONE = "none"
# Elsewhere this variable counts milliseconds: 10000 must not become three hours.
TIMEOUT_MAX_SECONDS = 600


class Protocol(StrEnum):
    """How spans travel to an OTLP collector."""

    HTTP = "http/protobuf"
    GRPC = "grpc"


class Sampler(StrEnum):
    """Which traces are recorded; the parent-based ones follow the caller's decision."""

    ALWAYS_ON = "always_on"
    ALWAYS_OFF = "always_off"
    RATIO = "traceidratio"
    PARENT_ALWAYS_ON = "parentbased_always_on"
    PARENT_ALWAYS_OFF = "parentbased_always_off"
    PARENT_RATIO = "parentbased_traceidratio"


class OtelSettings(SettingsSection, frozen=True):
    """What the SDK reads beyond these (OTEL_BSP_*, certificates, compression) it reads itself."""

    prefix: ClassVar[str] = "OTEL"

    traces_exporter: tuple[str, ...] = (NONE,)
    service_name: str | None = None
    resource_attributes: str = ""
    traces_sampler: Sampler = Sampler.PARENT_ALWAYS_ON
    traces_sampler_arg: float = 1.0
    sdk_disabled: bool = False
    protocol: Annotated[Protocol, Env("OTEL_EXPORTER_OTLP_PROTOCOL")] = Protocol.HTTP
    endpoint: Annotated[str | None, Env("OTEL_EXPORTER_OTLP_ENDPOINT")] = None
    traces_endpoint: Annotated[str | None, Env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")] = None
    headers: Annotated[Secret | None, Env("OTEL_EXPORTER_OTLP_HEADERS")] = None
    timeout_seconds: Annotated[float, Env("OTEL_EXPORTER_OTLP_TIMEOUT")] = 10.0

    def __post_init__(self) -> None:
        mistakes = [mistake for mistake in self._mistakes() if mistake]
        if mistakes:
            raise ValueError("\n".join(mistakes))

    @property
    def is_tracing(self) -> bool:
        return not self.sdk_disabled and self.traces_exporter != (NONE,)

    def resource(self) -> dict[str, str]:
        """Return OTEL_RESOURCE_ATTRIBUTES, decoded."""
        return _parse_pairs("OTEL_RESOURCE_ATTRIBUTES", self.resource_attributes)

    def reveal_headers(self) -> dict[str, str]:
        """Return the headers to send to the collector; they may hold its credentials."""
        text = self.headers.reveal().decode() if self.headers else ""
        headers = _parse_pairs("OTEL_EXPORTER_OTLP_HEADERS", text)
        return {name.lower(): value for name, value in headers.items()}  # gRPC refuses others

    def _mistakes(self) -> Iterator[str | None]:
        if NONE in self.traces_exporter and len(self.traces_exporter) > 1:
            yield "OTEL_TRACES_EXPORTER: none stands alone, or not at all"
        if not 0 <= self.traces_sampler_arg <= 1:
            yield "OTEL_TRACES_SAMPLER_ARG must be a ratio from 0 to 1"
        if not 0 < self.timeout_seconds <= TIMEOUT_MAX_SECONDS:
            yield f"OTEL_EXPORTER_OTLP_TIMEOUT must be seconds, at most {TIMEOUT_MAX_SECONDS}"
        yield self._endpoint_mistake("OTEL_EXPORTER_OTLP_ENDPOINT", self.endpoint)
        yield self._endpoint_mistake("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", self.traces_endpoint)
        yield _mistake_of(self.resource)
        yield _mistake_of(self.reveal_headers)

    def _endpoint_mistake(self, variable: str, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        if "@" in endpoint:
            return f"{variable} must hold no credentials: OTEL_EXPORTER_OTLP_HEADERS takes them"
        if self.protocol is Protocol.HTTP and not endpoint.startswith(("http://", "https://")):
            return f"{variable} must begin with http:// or https://"
        return None


def _mistake_of(read: Callable[[], object]) -> str | None:
    try:
        read()
    except ValueError as error:
        return str(error)
    return None


def _parse_pairs(variable: str, text: str) -> dict[str, str]:
    """Return "a=1,b=2" as {a: 1, b: 2}, percent-decoded. The ValueError does not show the text."""
    parts = [part.partition("=") for part in text.split(",") if part.strip()]
    pairs = {unquote(name.strip()): unquote(value.strip()) for name, _, value in parts}
    printable = all(name and (name + value).isprintable() for name, value in pairs.items())
    if not printable or not all(equals for _, equals, _ in parts):
        raise ValueError(f"{variable} must be like name=value,name=value (percent-encoded)")
    return pairs
