"""A real server exports a span per operation to a real OTLP receiver."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.server import running

HEADERS = {"X-Aegis-User": "alice"}


class Receiver:
    """Keeps (service, span name, parent, attributes) of all that arrives."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, str, str, dict[str, str]]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.take(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:
                """Stay silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def take(self, body: bytes) -> None:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = {a.key: a.value.string_value for a in group.resource.attributes}
            for span in (span for scope in group.scope_spans for span in scope.spans):
                found = {a.key: a.value.string_value for a in span.attributes}
                parent = span.trace_id.hex()
                self.spans.append((resource["service.name"], span.name, parent, found))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.01,))
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


def test_every_operation_is_a_span_with_its_attributes(receiver: Receiver, tmp_path: Path) -> None:
    otel = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
    with running(tmp_path / "data", **otel) as server:
        assert "OpenTelemetry SDK auto-configured (OTEL_TRACES_EXPORTER=otlp)" in server.log
        key_id, trace_id = _use(server.url)
        assert server.terminate() == 0
    names = [name for _, name, _, _ in receiver.spans]
    assert names == ["kms.Create", "kms.Activate", "kms.Sign", "kms.Encrypt", "kms.Activate"]
    assert {service for service, *_ in receiver.spans} == {"aegis-server"}
    _, _, trace, sign = receiver.spans[2]
    assert sign == {
        "aegis.operation": "Sign",
        "aegis.key.id": key_id,
        "aegis.principal.subject": "alice",
        "aegis.principal.kind": "human",
        "aegis.outcome": "success",
    }
    assert trace == trace_id
    assert receiver.spans[4][3]["aegis.outcome"] == "error_IllegalOperation"


def _use(url: str) -> tuple[str, str]:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    with httpx.Client(base_url=url, headers=HEADERS) as client:
        spec = {"name": "traced", "algorithm": "AES", "sizeBits": 256}
        key_id = str(client.post("/v1/keys", json={"spec": spec}).json()["id"])
        client.post(f"/v1/keys/{key_id}/activate")
        client.post(
            f"/v1/keys/{key_id}/sign",
            json={"messageBase64": "aGk=", "algorithm": "EcdsaSha256"},
            headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"},
        )
        client.post(f"/v1/keys/{key_id}/encrypt", json={"plaintextBase64": "aGk="})
        client.post(f"/v1/keys/{key_id}/activate")
    return key_id, trace_id


def test_without_an_exporter_nothing_is_sent(receiver: Receiver, tmp_path: Path) -> None:
    with running(tmp_path / "data", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url) as server:
        _use(server.url)
        assert server.terminate() == 0
    assert receiver.spans == []


def test_a_receiver_that_is_away_costs_no_request(tmp_path: Path) -> None:
    otel = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    with running(tmp_path / "data", **otel) as server:
        key_id, _ = _use(server.url)
        shown = httpx.get(f"{server.url}/v1/keys/{key_id}", headers=HEADERS)
        assert shown.json()["state"] == "Active"
        assert shown.elapsed.total_seconds() < 1
