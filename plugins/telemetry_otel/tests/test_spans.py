from __future__ import annotations

from typing import Any

import pytest
from aegis_telemetry_otel import OtelSettings, OtelTelemetry
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.trace import get_tracer_provider

from aegis_kernel import (
    SUCCESS,
    KeyId,
    Operation,
    Principal,
    PrincipalKind,
    read_section,
)

ALICE = Principal(subject="alice", kind=PrincipalKind.HUMAN)
KEY = KeyId("8a3f1e25-0c44-4f0e-9a51-2f1f0f6b7c3d")
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01".encode()


async def traced(
    collector: Any, *operations: tuple[Operation, str], headers: Any = None, **environment: str
) -> list[Span]:
    """Run the operations, close, and return the spans that the collector has seen."""
    telemetry = OtelTelemetry(
        read_section(
            OtelSettings,
            {
                "OTEL_TRACES_EXPORTER": "otlp",
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
                **environment,
            },
        )
    )
    await telemetry.open()
    for operation, outcome in operations:
        observation = telemetry.begin(operation, headers or {})
        assert observation is not None
        observation.describe(ALICE, None if operation is Operation.LIST else KEY)
        telemetry.end(observation, operation, outcome, 0.001)
    await telemetry.aclose()
    spans: list[Span] = collector.spans
    return spans


def attributes(span: Span) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in span.attributes}


async def test_an_operation_is_a_server_span_with_its_attributes(collector: Any) -> None:
    (span,) = await traced(collector, (Operation.SIGN, SUCCESS))
    assert span.name == "kms.Sign"
    assert span.kind == Span.SPAN_KIND_SERVER
    assert attributes(span) == {
        "aegis.operation": "Sign",
        "aegis.key.id": KEY,
        "aegis.principal.subject": "alice",
        "aegis.principal.kind": "human",
        "aegis.outcome": "success",
    }
    assert span.parent_span_id == b""
    assert span.end_time_unix_nano >= span.start_time_unix_nano


async def test_an_operation_without_a_key_has_no_key_attribute(collector: Any) -> None:
    (span,) = await traced(collector, (Operation.LIST, SUCCESS))
    assert "aegis.key.id" not in attributes(span)


async def test_every_operation_has_its_span(collector: Any) -> None:
    spans = await traced(collector, *[(operation, SUCCESS) for operation in Operation])
    assert [span.name for span in spans] == [f"kms.{operation.value}" for operation in Operation]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (SUCCESS, Status.STATUS_CODE_UNSET),
        ("DecryptionFailed", Status.STATUS_CODE_UNSET),
        ("InvalidSignature", Status.STATUS_CODE_UNSET),
        ("InternalError", Status.STATUS_CODE_ERROR),
        ("Unavailable", Status.STATUS_CODE_ERROR),
    ],
)
async def test_only_a_failure_of_the_server_is_an_error_status(
    collector: Any, outcome: str, status: int
) -> None:
    (span,) = await traced(collector, (Operation.DECRYPT, outcome))
    told = "success" if outcome == SUCCESS else f"error_{outcome}"
    assert attributes(span)["aegis.outcome"] == told
    assert span.status.code == status


async def test_a_span_continues_the_callers_trace(collector: Any) -> None:
    headers = {b"traceparent": TRACEPARENT, b"tracestate": b"vendor=opaque"}
    (span,) = await traced(collector, (Operation.SIGN, SUCCESS), headers=headers)
    assert span.trace_id.hex() == TRACE
    assert span.parent_span_id.hex() == PARENT
    assert span.trace_state == "vendor=opaque"


@pytest.mark.parametrize("value", [b"", b"garbage", b"\xff", TRACEPARENT[:-3]])
async def test_a_broken_traceparent_begins_a_new_trace(collector: Any, value: bytes) -> None:
    (span,) = await traced(collector, (Operation.SIGN, SUCCESS), headers={b"traceparent": value})
    assert span.trace_id.hex() != TRACE
    assert span.parent_span_id == b""


async def test_a_caller_that_is_not_sampled_is_not_traced(collector: Any) -> None:
    headers = {b"traceparent": TRACEPARENT[:-1] + b"0"}
    assert await traced(collector, (Operation.SIGN, SUCCESS), headers=headers) == []


@pytest.mark.parametrize(
    ("sampler", "argument", "expected"),
    [
        ("always_on", "1", 50),
        ("always_off", "1", 0),
        ("traceidratio", "0", 0),
        ("traceidratio", "1", 50),
        ("parentbased_always_on", "1", 50),
        ("parentbased_always_off", "1", 0),
        ("parentbased_traceidratio", "0", 0),
        ("parentbased_traceidratio", "1", 50),
    ],
)
async def test_the_sampler_decides_what_is_traced(
    collector: Any, sampler: str, argument: str, expected: int
) -> None:
    spans = await traced(
        collector,
        *[(Operation.SIGN, SUCCESS)] * 50,
        OTEL_TRACES_SAMPLER=sampler,
        OTEL_TRACES_SAMPLER_ARG=argument,
    )
    assert len(spans) == expected


async def test_the_service_is_named_aegis_server(collector: Any) -> None:
    await traced(collector, (Operation.SIGN, SUCCESS))
    assert collector.resource["service.name"] == "aegis-server"
    assert collector.resource["telemetry.sdk.name"] == "opentelemetry"


async def test_the_environment_names_the_service_and_its_resource(collector: Any) -> None:
    await traced(
        collector,
        (Operation.SIGN, SUCCESS),
        OTEL_SERVICE_NAME="kms-eu",
        OTEL_RESOURCE_ATTRIBUTES="service.name=loses,deployment.environment=a%20b",
    )
    assert collector.resource["service.name"] == "kms-eu"
    assert collector.resource["deployment.environment"] == "a b"


async def test_headers_go_to_the_collector(collector: Any) -> None:
    await traced(
        collector,
        (Operation.SIGN, SUCCESS),
        OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20t0ken, x-tenant=blue",
    )
    assert collector.headers[0]["authorization"] == "Bearer t0ken"
    assert collector.headers[0]["x-tenant"] == "blue"
    assert collector.paths == ["/v1/traces"]


async def test_the_traces_endpoint_is_taken_as_it_is(collector: Any) -> None:
    await traced(
        collector,
        (Operation.SIGN, SUCCESS),
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.endpoint}/spans?tenant=1",
    )
    assert collector.paths == ["/spans?tenant=1"]


async def test_the_process_keeps_its_own_tracer_provider(collector: Any) -> None:
    before = get_tracer_provider()
    await traced(collector, (Operation.SIGN, SUCCESS))
    assert get_tracer_provider() is before
