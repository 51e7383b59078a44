"""A real OTLP/HTTP receiver on loopback: keeps every span that it is sent."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Seen(msgspec.Struct, frozen=True):
    """A span as it arrived."""

    name: str
    trace_id: str
    parent_id: str
    attributes: Mapping[str, str]
    resource: Mapping[str, str]


class Collector:
    """What was received so far: bytes of each request, and the spans in them."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.bodies: list[bytes] = []
        self.spans: list[Seen] = []

    def take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces", path
        self.bodies.append(body)
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            known = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Seen(
                            name=span.name,
                            trace_id=span.trace_id.hex(),
                            parent_id=span.parent_span_id.hex(),
                            attributes={p.key: p.value.string_value for p in span.attributes},
                            resource=known,
                        )
                    )

    def wait(self, is_enough: Callable[[list[Seen]], bool], seconds: float = 10) -> list[Seen]:
        """Return the spans, once they are enough. Raises TimeoutError."""
        until = time.monotonic() + seconds
        while not is_enough(self.spans):
            if time.monotonic() > until:
                raise TimeoutError([span.name for span in self.spans])
            time.sleep(0.02)
        return list(self.spans)

    def environment(self) -> dict[str, str]:
        """Return the walkthrough's variables, and one to have spans at once."""
        return {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_SERVICE_NAME": "aegis-server",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_packed = self.headers.get("Content-Encoding") == "gzip"
            collector.take(self.path, gzip.decompress(body) if is_packed else body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield collector
    server.shutdown()
    server.server_close()
    thread.join()
