"""The only part that imports the OpenTelemetry SDK: a provider of its own, and its spans."""

from __future__ import annotations

import threading

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from aegis_kernel import (
    SUCCESS,
    Headers,
    InternalError,
    KeyId,
    Observation,
    Operation,
    Principal,
    UnavailableError,
)
from aegis_telemetry_otel.exporters import build_exporter
from aegis_telemetry_otel.settings import OtelSettings, Sampler

DEFAULT_SERVICE_NAME = "aegis-server"
SERVER_ERRORS = frozenset({InternalError.code, UnavailableError.code})


class Tracing:
    """A TracerProvider that nothing else in the process sees, and its exporters."""

    def __init__(self, settings: OtelSettings) -> None:
        exporters = [build_exporter(name, settings) for name in settings.traces_exporter]
        self._provider = TracerProvider(
            sampler=_sampler(settings),
            resource=_resource(settings),
            shutdown_on_exit=False,  # it would wait 30 s for a collector that is down
        )
        for exporter in exporters:
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("aegis-kms")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, operation: Operation, headers: Headers) -> Observation:
        span = self._tracer.start_span(
            f"kms.{operation.value}",
            context=self._parent(headers),
            kind=SpanKind.SERVER,
            attributes={"aegis.operation": operation.value},
        )
        return SpanObservation(span)

    def end(self, observation: Observation, outcome: str) -> None:
        if isinstance(observation, SpanObservation):
            observation.end(outcome)

    def shut_down(self, seconds: float) -> None:
        """Export what is left; give up after `seconds`. Blocks."""
        # A daemon, since a collector that hangs must not keep the process from ending.
        thread = threading.Thread(target=self._provider.shutdown, daemon=True)
        thread.start()
        thread.join(seconds)

    def _parent(self, headers: Headers) -> Context:
        """Return the caller's span (W3C Trace Context §3), or a root if it sent none or garbage."""
        if b"traceparent" not in headers:
            return Context()
        carrier = {
            name: headers[name.encode()].decode("latin-1")
            for name in ("traceparent", "tracestate")
            if name.encode() in headers
        }
        return self._propagator.extract(carrier, context=Context())


class SpanObservation(Observation):
    """The span of one operation under way."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    def describe(self, principal: Principal, key_id: KeyId | None) -> None:
        self._span.set_attribute("aegis.principal.subject", principal.subject)
        self._span.set_attribute("aegis.principal.kind", principal.kind.value.lower())
        if key_id is not None:
            self._span.set_attribute("aegis.key.id", key_id)

    def end(self, outcome: str) -> None:
        """End the span; it is an error only where the server failed, not where it refused."""
        told = "success" if outcome == SUCCESS else f"error_{outcome}"
        self._span.set_attribute("aegis.outcome", told)
        if outcome in SERVER_ERRORS:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def _resource(settings: OtelSettings) -> Resource:
    attributes = settings.resource()
    name = settings.service_name or attributes.get(SERVICE_NAME) or DEFAULT_SERVICE_NAME
    return Resource.create({**attributes, SERVICE_NAME: name})


def _sampler(settings: OtelSettings) -> sampling.Sampler:
    ratio = settings.traces_sampler_arg
    match settings.traces_sampler:
        case Sampler.ALWAYS_ON:
            return sampling.ALWAYS_ON
        case Sampler.ALWAYS_OFF:
            return sampling.ALWAYS_OFF
        case Sampler.RATIO:
            return sampling.TraceIdRatioBased(ratio)
        case Sampler.PARENT_ALWAYS_ON:
            return sampling.DEFAULT_ON
        case Sampler.PARENT_ALWAYS_OFF:
            return sampling.DEFAULT_OFF
        case Sampler.PARENT_RATIO:
            return sampling.ParentBasedTraceIdRatio(ratio)
