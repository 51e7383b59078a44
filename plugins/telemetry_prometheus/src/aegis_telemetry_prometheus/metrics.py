"""Every metric by its name. No key id, key name or subject ever becomes a label."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from aegis_kernel import OUTCOMES, Operation

# 100 µs to 10 s: an encryption with its durable commit stands at the lower end, an HSM at the upper.
SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
ENTRIES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
OTHER = "Other"


class OperationMetrics(dict[Operation, tuple[Callable[[], None], Callable[[float], None]]]):
    """{operation: (count an attempt, observe its seconds)}, each bound at its first use.

    So the page shows only what happened, and no label is looked up twice.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._attempts = Counter(
            "aegis_keys_op_total",
            "Attempted operations, refused ones included.",
            ["operation"],
            registry=registry,
        )
        self._seconds = Histogram(
            "aegis_keys_op_duration_seconds",
            "Time from the authenticated request to the operation's end.",
            ["operation"],
            buckets=SECONDS,
            registry=registry,
        )

    def __missing__(
        self, operation: Operation
    ) -> tuple[Callable[[], None], Callable[[float], None]]:
        bound = (
            self._attempts.labels(operation.value).inc,
            self._seconds.labels(operation.value).observe,
        )
        self[operation] = bound
        return bound


class ErrorMetrics(dict[tuple[Operation, str], Callable[[], None]]):
    """{(operation, code): count it}. A code that the kernel does not know is counted as Other."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._errors = Counter(
            "aegis_keys_op_errors_total",
            "Operations that did not succeed, by error code.",
            ["operation", "code"],
            registry=registry,
        )

    def __missing__(self, ending: tuple[Operation, str]) -> Callable[[], None]:
        operation, code = ending
        if code not in OUTCOMES:
            # Not kept: a plugin that makes up codes must fill neither the page nor this table.
            return self._errors.labels(operation.value, OTHER).inc
        self[ending] = self._errors.labels(operation.value, code).inc
        return self[ending]


class SinkMetrics(dict[str, Callable[[float], None]]):
    """{sink: set how far behind it is}; as many sinks as AEGIS_AUDIT_SINKS names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._lag = Gauge(
            "aegis_audit_sink_lag_records",
            "Committed audit records that the sink has not received yet.",
            ["sink"],
            registry=registry,
            # With several workers: all measure the same, so the last word is as good as any.
            multiprocess_mode="mostrecent",
        )

    def __missing__(self, sink: str) -> Callable[[float], None]:
        self[sink] = self._lag.labels(sink).set
        return self[sink]


class FaultMetrics(dict[tuple[str, str], Callable[[], None]]):
    """{(port, plugin): count a fault}; as many plugins as the environment names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._faults = Counter(
            "aegis_plugin_faults_total",
            "What plugins did that no plugin may do: raised, hung, or answered with a wrong type.",
            ["port", "plugin"],
            registry=registry,
        )

    def __missing__(self, plugin: tuple[str, str]) -> Callable[[], None]:
        self[plugin] = self._faults.labels(*plugin).inc
        return self[plugin]


def overload_refusals(registry: CollectorRegistry) -> Counter:
    return Counter(
        "aegis_overload_refusals_total",
        "Requests refused unseen, because too many were under way.",
        registry=registry,
    )


def loop_lateness(registry: CollectorRegistry) -> Histogram:
    return Histogram(
        "aegis_event_loop_late_seconds",
        "How late the event loop came to what was due, looked at ten times a second.",
        buckets=SECONDS,
        registry=registry,
    )


def commit_seconds(registry: CollectorRegistry) -> Histogram:
    return Histogram(
        "aegis_journal_commit_seconds",
        "Time of one group commit.",
        buckets=SECONDS,
        registry=registry,
    )


def commit_entries(registry: CollectorRegistry) -> Histogram:
    return Histogram(
        "aegis_journal_commit_entries",
        "Entries of one group commit.",
        buckets=ENTRIES,
        registry=registry,
    )


def authentication_failures(registry: CollectorRegistry) -> Counter:
    return Counter(
        "aegis_auth_failures_total",
        "Requests that failed to authenticate.",
        registry=registry,
    )
