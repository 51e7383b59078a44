"""Spans as a collector receives them: all of them, with what they promise, and never in the way."""

from __future__ import annotations

import socket
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.outside.collector import Collector, Seen, collecting
from tests.outside.secured import active_key, client, secured
from tests.outside.walk import Walk
from tests.support.server import Server

# No operations on keys: the pages of the service, and the JWK set.
PAGES = frozenset({"healthz", "livez", "readyz", "metrics", "plugins", "jwks"})
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
REQUESTS = 300


class Traced(msgspec.Struct, frozen=True):
    server: Server
    collector: Collector
    http: httpx.Client


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    data = tmp_path_factory.mktemp("traced") / "data"
    with (
        collecting() as collector,
        secured(data, **collector.environment()) as server,
        client(server) as http,
    ):
        yield Traced(server, collector, http)


def span_name(operation: str) -> str:
    """Return the span of an operation of the document; a batch is one operation."""
    name = operation.removesuffix("Batch")
    return f"kms.{name[0].upper()}{name[1:]}"


def test_every_operation_has_a_span_with_every_attribute(traced: Traced) -> None:
    before = len(traced.collector.spans)
    walk = Walk(traced.http, bytes(range(32)))
    walk.everything()
    walked = [step for step in walk.steps if step.operation not in PAGES]
    spans = traced.collector.wait(lambda spans: len(spans) >= before + len(walked))[before:]
    assert Counter(span.name for span in spans) == Counter(
        span_name(step.operation) for step in walked
    )
    for span, step in zip(spans, walked, strict=True):
        expected = {
            "aegis.operation": span.name.removeprefix("kms."),
            "aegis.principal.subject": "alice",
            "aegis.principal.kind": "human",
            "aegis.outcome": "success",
        }
        if step.key_id is not None:
            expected["aegis.key.id"] = step.key_id
        assert span.attributes == expected
        assert span.resource["service.name"] == "aegis-server"
        assert span.parent_id == ""


def asked(traced: Traced, path: str, **headers: str) -> Seen:
    """Ask for signing, and return the span of it."""
    before = len(traced.collector.spans)
    body = {"messageBase64": "aGVsbG8=", "algorithm": "RsaPssSha256"}
    traced.http.post(f"/v1/keys/{path}/sign", json=body, headers=headers)
    return traced.collector.wait(lambda spans: len(spans) > before)[before]


def test_a_refusal_says_which(traced: Traced) -> None:
    spec = {"name": "idle", "algorithm": "AES", "sizeBits": 128}
    before = len(traced.collector.spans)
    key_id = traced.http.post("/v1/keys", json={"spec": spec}).json()["id"]
    traced.collector.wait(lambda spans: len(spans) > before)
    span = asked(traced, key_id)
    assert (span.name, span.attributes["aegis.outcome"]) == ("kms.Sign", "error_IllegalOperation")
    assert span.attributes["aegis.key.id"] == key_id


def test_a_trace_of_the_caller_goes_on(traced: Traced) -> None:
    nobody = "8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"
    span = asked(traced, nobody, traceparent=f"00-{TRACE}-{PARENT}-01")
    assert (span.trace_id, span.parent_id) == (TRACE, PARENT)
    other = asked(traced, nobody, traceparent="00-nonsense-01")
    assert other.trace_id != TRACE
    assert other.parent_id == ""


def test_without_an_exporter_nothing_is_sent(tmp_path: Path) -> None:
    with collecting() as collector:
        environment = collector.environment() | {"OTEL_TRACES_EXPORTER": "none"}
        with secured(tmp_path / "data", **environment) as server, client(server) as http:
            active_key(http)
            assert server.terminate() == 0
        assert collector.bodies == []


@contextmanager
def deaf() -> Iterator[int]:
    """A port that takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


@contextmanager
def closed() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    yield port


def median_seconds(http: httpx.Client) -> float:
    path = f"/v1/keys/{active_key(http)}/encrypt"
    taken = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        assert http.post(path, json={"plaintextBase64": "aGVsbG8="}).status_code == 200
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


@pytest.mark.parametrize("receiver", [deaf, closed])
def test_a_receiver_that_is_down_delays_nobody(tmp_path: Path, receiver: object) -> None:
    assert callable(receiver)
    with receiver() as port:
        otlp = {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        with (
            secured(tmp_path / "plain") as plain,
            secured(tmp_path / "traced", **otlp) as server,
            client(plain) as untraced,
            client(server) as http,
        ):
            usual, with_spans = median_seconds(untraced), median_seconds(http)
            print(f"median {usual * 1000:.2f} ms without, {with_spans * 1000:.2f} ms with spans")
            assert with_spans < 2 * usual + 0.005
            assert server.terminate() == 0
            assert "Traceback" not in server.log
