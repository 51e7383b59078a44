from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from aegis_telemetry_prometheus import Plugin, PrometheusSettings, PrometheusTelemetry
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from aegis_kernel import OUTCOMES, SUCCESS, Exposition, Operation, SinkLag
from aegis_kernel.testing.doubles import plugin_context

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

# As Prometheus 3 asks.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.fixture
async def telemetry() -> PrometheusTelemetry:
    telemetry = PrometheusTelemetry()
    await telemetry.open()
    return telemetry


def end(telemetry: PrometheusTelemetry, operation: Operation, outcome: str = SUCCESS) -> None:
    telemetry.end(None, operation, outcome, 0.0003)


def samples(telemetry: PrometheusTelemetry) -> Samples:
    page = telemetry.expose("").body.decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_text(page)
        for sample in family.samples
    }


def named(telemetry: PrometheusTelemetry, name: str) -> dict[frozenset[str], float]:
    """Return {label values: value} of every sample of that name."""
    return {
        frozenset(value for _, value in labels): number
        for (sample, labels), number in samples(telemetry).items()
        if sample == name
    }


async def test_every_attempt_is_counted_and_only_failures_are_errors(
    telemetry: PrometheusTelemetry,
) -> None:
    for operation, outcome in [
        (Operation.SIGN, SUCCESS),
        (Operation.SIGN, SUCCESS),
        (Operation.SIGN, "IllegalOperation"),
        (Operation.VERIFY, "InvalidSignature"),
        (Operation.DECRYPT, SUCCESS),
        (Operation.DECRYPT, "DecryptionFailed"),
    ]:
        end(telemetry, operation, outcome)
    assert named(telemetry, "aegis_keys_op_total") == {
        frozenset({"Sign"}): 3,
        frozenset({"Verify"}): 1,
        frozenset({"Decrypt"}): 2,
    }
    assert named(telemetry, "aegis_keys_op_errors_total") == {
        frozenset({"Sign", "IllegalOperation"}): 1,
        frozenset({"Verify", "InvalidSignature"}): 1,
        frozenset({"Decrypt", "DecryptionFailed"}): 1,
    }
    assert named(telemetry, "aegis_keys_op_duration_seconds_count") == named(
        telemetry, "aegis_keys_op_total"
    )


async def test_no_operation_shows_before_it_happens(telemetry: PrometheusTelemetry) -> None:
    assert named(telemetry, "aegis_keys_op_total") == {}
    assert named(telemetry, "aegis_keys_op_errors_total") == {}


async def test_durations_fall_into_buckets_from_100_microseconds_to_10_seconds(
    telemetry: PrometheusTelemetry,
) -> None:
    for seconds in (0.00005, 0.0003, 7.5, 60.0):
        telemetry.end(None, Operation.SIGN, SUCCESS, seconds)
    buckets = named(telemetry, "aegis_keys_op_duration_seconds_bucket")
    assert buckets[frozenset({"Sign", "0.0001"})] == 1
    assert buckets[frozenset({"Sign", "0.0005"})] == 2
    assert buckets[frozenset({"Sign", "10.0"})] == 3
    assert buckets[frozenset({"Sign", "+Inf"})] == 4
    total = named(telemetry, "aegis_keys_op_duration_seconds_sum")[frozenset({"Sign"})]
    assert total == pytest.approx(67.50035)


async def test_commits_sink_lag_and_failed_authentications_are_shown(
    telemetry: PrometheusTelemetry,
) -> None:
    telemetry.committed(3, 0.002)
    telemetry.committed(40, 0.004)
    telemetry.sinks((SinkLag("stdout", 12), SinkLag("file", 0)))
    telemetry.sinks((SinkLag("stdout", 7), SinkLag("file", 0)))
    telemetry.refused_authentication()
    none = frozenset[str]()
    assert named(telemetry, "aegis_journal_commit_seconds_sum")[none] == pytest.approx(0.006)
    assert named(telemetry, "aegis_journal_commit_entries_sum") == {none: 43}
    assert named(telemetry, "aegis_journal_commit_entries_bucket")[frozenset({"4.0"})] == 1
    assert named(telemetry, "aegis_audit_sink_lag_records") == {
        frozenset({"stdout"}): 7,
        frozenset({"file"}): 0,
    }
    assert named(telemetry, "aegis_auth_failures_total") == {none: 1}


async def test_the_process_and_its_python_are_shown(telemetry: PrometheusTelemetry) -> None:
    names = {name for name, _ in samples(telemetry)}
    assert names >= {
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "python_info",
        "python_gc_collections_total",
    }


async def test_a_made_up_code_makes_no_series(telemetry: PrometheusTelemetry) -> None:
    for number in range(100):
        end(telemetry, Operation.SIGN, f"MadeUp{number}")
    assert named(telemetry, "aegis_keys_op_errors_total") == {frozenset({"Sign", "Other"}): 100}


async def test_two_servers_in_one_process_count_for_themselves() -> None:
    first, second = PrometheusTelemetry(), PrometheusTelemetry()
    await first.open()
    await second.open()
    end(first, Operation.CREATE)
    assert named(first, "aegis_keys_op_total") == {frozenset({"Create"}): 1}
    assert named(second, "aegis_keys_op_total") == {}


@pytest.mark.parametrize("accept", ["", PROMETHEUS])
async def test_no_time_of_creation_is_shown(telemetry: PrometheusTelemetry, accept: str) -> None:
    end(telemetry, Operation.SIGN, "IllegalOperation")
    telemetry.committed(1, 0.001)
    assert b"_created" not in telemetry.expose(accept).body


async def test_prometheus_is_answered_in_openmetrics(telemetry: PrometheusTelemetry) -> None:
    end(telemetry, Operation.SIGN)
    page = telemetry.expose(PROMETHEUS)
    assert page.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert page.body.endswith(b"# EOF\n")
    names = {family.name for family in parse_openmetrics(page.body.decode())}
    assert names >= {"aegis_keys_op", "aegis_keys_op_errors", "aegis_journal_commit_seconds"}


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "text/plain;version=abc",
        "application/openmetrics-text;version=1.0.0.canary",
        "application/openmetrics-text;version=7.0.0",
        "application/openmetrics-text;version=" + "9" * 5000,
    ],
    ids=range(5),
)
async def test_a_version_that_is_not_spoken_is_answered_in_text(
    telemetry: PrometheusTelemetry, accept: str
) -> None:
    assert telemetry.expose(accept).content_type == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize("accept", ["", "text/plain;version=1.0.0"])
async def test_promtool_finds_nothing_to_complain_about(
    telemetry: PrometheusTelemetry, accept: str
) -> None:
    observe_everything(telemetry)
    assert promtool(telemetry.expose(accept)) == (0, b"")


def test_the_entry_point_builds_the_telemetry(tmp_path: Path) -> None:
    built = Plugin().aegis_telemetry(plugin_context(PrometheusSettings(), tmp_path))
    assert isinstance(built, PrometheusTelemetry)


def observe_everything(telemetry: PrometheusTelemetry) -> None:
    for operation in Operation:
        for outcome in OUTCOMES:
            end(telemetry, operation, outcome)
    telemetry.committed(3, 0.002)
    telemetry.sinks((SinkLag("stdout", 12),))
    telemetry.refused_authentication()


def promtool(page: Exposition) -> tuple[int, bytes]:
    """Return how `promtool check metrics` ends and what it says of the page: nothing, if all is well."""
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=page.body, capture_output=True, timeout=30
    )
    return checked.returncode, checked.stdout + checked.stderr
