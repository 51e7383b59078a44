from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aegis_telemetry_otel import OtelSettings, OtelTelemetry, Plugin

from aegis_kernel import (
    SUCCESS,
    BootError,
    Operation,
    Principal,
    PrincipalKind,
    SettingsError,
    read_section,
)
from aegis_kernel.testing import TelemetryConformance
from aegis_kernel.testing.doubles import plugin_context

ALICE = Principal(subject="alice", kind=PrincipalKind.HUMAN)
SETTINGS = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TIMEOUT": "0.2"}


def built(environment: dict[str, str], **more: Any) -> OtelTelemetry:
    return OtelTelemetry(read_section(OtelSettings, environment), **more)


class TestTracingTelemetry(TelemetryConformance):
    @pytest.fixture
    async def telemetry(self, collector: Any) -> AsyncIterator[OtelTelemetry]:
        telemetry = built({**SETTINGS, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint})
        await telemetry.open()
        yield telemetry
        await telemetry.aclose()


class TestIdleTelemetry(TelemetryConformance):
    @pytest.fixture
    async def telemetry(self) -> OtelTelemetry:
        telemetry = built({})
        await telemetry.open()
        return telemetry


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"},
    ],
    ids=["default", "none", "disabled"],
)
async def test_without_an_exporter_there_is_no_span(environment: dict[str, str]) -> None:
    telemetry = built(environment)
    await telemetry.open()
    assert telemetry.begin(Operation.SIGN, {}) is None


def test_without_an_exporter_the_sdk_is_not_even_loaded() -> None:
    script = """
import asyncio, sys
from pathlib import Path
from aegis_telemetry_otel import OtelSettings, Plugin
from aegis_kernel.testing.doubles import plugin_context

telemetry = Plugin().aegis_telemetry(plugin_context(OtelSettings(), Path(".")))
asyncio.run(telemetry.open())
asyncio.run(telemetry.aclose())
print([name for name in sys.modules if name.split(".")[0] == "opentelemetry"])
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert run.stdout == b"[]\n"


async def test_boot_names_the_exporters() -> None:
    line = "OpenTelemetry SDK auto-configured (OTEL_TRACES_EXPORTER={})"
    assert built({}).description == line.format("none")
    both = built({"OTEL_TRACES_EXPORTER": "otlp, console"})
    assert both.description == line.format("otlp,console")


async def test_the_console_is_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    telemetry = built({"OTEL_TRACES_EXPORTER": "console"})
    await telemetry.open()
    telemetry.end(telemetry.begin(Operation.SIGN, {}), Operation.SIGN, SUCCESS, 0.001)
    await telemetry.aclose()
    out, err = capfd.readouterr()
    assert out == ""
    assert '"name": "kms.Sign"' in err


async def test_an_exporter_that_is_not_installed_stops_the_boot_and_says_which_are() -> None:
    telemetry = built({"OTEL_TRACES_EXPORTER": "jaeger"})
    with pytest.raises(BootError, match=r"jaeger is not installed; installed are console, none, "):
        await telemetry.open()
    await telemetry.aclose()


async def test_grpc_stops_the_boot_with_the_package_that_it_needs() -> None:
    telemetry = built({**SETTINGS, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    with pytest.raises(BootError, match="pip install opentelemetry-exporter-otlp-proto-grpc"):
        await telemetry.open()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "none,otlp"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "inf"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10000"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization: s3cret"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=s3cret\r\nx-evil: 1"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=s3cret\udcff"),
        ("OTEL_RESOURCE_ATTRIBUTES", "=b"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://me:s3cret@collector:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "unix:/tmp/otlp"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_and_keeps_its_secret(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable) as refused:
        read_section(OtelSettings, {variable: value})
    assert "s3cret" not in str(refused.value)


def test_every_mistake_is_told_at_once() -> None:
    wrong = {"OTEL_TRACES_SAMPLER_ARG": "2", "OTEL_RESOURCE_ATTRIBUTES": "x"}
    with pytest.raises(SettingsError) as refused:
        read_section(OtelSettings, wrong)
    assert all(variable in str(refused.value) for variable in wrong)


def test_header_names_are_lower_case_as_grpc_demands() -> None:
    settings = read_section(OtelSettings, {"OTEL_EXPORTER_OTLP_HEADERS": "X-Tenant=Blue"})
    assert settings.reveal_headers() == {"x-tenant": "Blue"}


def test_the_headers_are_not_printed() -> None:
    settings = read_section(OtelSettings, {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=s3cret"})
    assert "s3cret" not in repr(settings)


async def test_a_collector_that_is_down_costs_nothing_and_loses_no_operation() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    telemetry = built({**SETTINGS, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"})
    await telemetry.open()
    await overwhelm(telemetry)
    assert (await telemetry.check()).status == "ok"
    await telemetry.aclose()


async def test_a_collector_that_hangs_delays_no_operation_and_the_end_only_for_a_while() -> None:
    environment = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TIMEOUT": "2"}
    with socket.create_server(("127.0.0.1", 0)) as server:
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{server.getsockname()[1]}"
        telemetry = built(environment, flush_seconds=0.3)
        await telemetry.open()
        await overwhelm(telemetry)
        started = time.perf_counter()
        await telemetry.aclose()
        assert time.perf_counter() - started < 1.5


async def test_what_does_not_fit_the_queue_is_dropped(collector: Any) -> None:
    telemetry = built({**SETTINGS, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint})
    await telemetry.open()
    await overwhelm(telemetry)
    await telemetry.aclose()
    assert 0 < len(collector.spans) <= 5000


async def test_a_closed_telemetry_begins_no_span(collector: Any) -> None:
    telemetry = built({**SETTINGS, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint})
    await telemetry.open()
    await telemetry.aclose()
    assert telemetry.begin(Operation.SIGN, {}) is None


def test_the_entry_point_builds_the_telemetry(tmp_path: Path) -> None:
    built = Plugin().aegis_telemetry(plugin_context(OtelSettings(), tmp_path))
    assert isinstance(built, OtelTelemetry)


async def overwhelm(telemetry: OtelTelemetry) -> None:
    """Observe more operations than the exporter's queue holds (2048), none of them slow."""
    started = time.perf_counter()
    for _ in range(5000):
        observation = telemetry.begin(Operation.SIGN, {})
        assert observation is not None
        observation.describe(ALICE, None)
        telemetry.end(observation, Operation.SIGN, SUCCESS, 0.001)
    assert (time.perf_counter() - started) / 5000 < 1e-3
