"""Counts and times what the kernel tells, and serves it as a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from aegis_kernel import SUCCESS, Exposition, Observation, Operation, SinkLag, Telemetry
from aegis_telemetry_prometheus.metrics import (
    ErrorMetrics,
    FaultMetrics,
    OperationMetrics,
    SinkMetrics,
    authentication_failures,
    commit_entries,
    commit_seconds,
    loop_lateness,
    overload_refusals,
)
from aegis_telemetry_prometheus.registry import Registry
from aegis_telemetry_prometheus.seats import take_seat

_SPOKEN = re.compile(r"; version=(0\.0\.4|1\.0\.0)(;|$)").search


class PrometheusTelemetry(Telemetry):
    """Metrics of one server, in a registry of their own. Makes no observations: no spans."""

    def __init__(self, common: Path | None = None) -> None:
        """`common` is where the values of all workers lie; None for a server of one process."""
        self._common = common
        self._seat = None if common is None else take_seat(common)
        self._registry = Registry()
        self._operations = OperationMetrics(self._registry)
        self._errors = ErrorMetrics(self._registry)
        self._lag = SinkMetrics(self._registry)
        self._commit_seconds = commit_seconds(self._registry)
        self._commit_entries = commit_entries(self._registry)
        self._authentication_failures = authentication_failures(self._registry)
        self._faults = FaultMetrics(self._registry)
        self._overload_refusals = overload_refusals(self._registry)
        self._loop_late = loop_lateness(self._registry)

    async def open(self) -> None:
        """Add what the process tells of itself: CPU, memory, open files, Python, its collector.

        Not with several workers: it would be that of whichever happens to answer.
        """
        if self._common is not None:
            return
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    async def aclose(self) -> None:
        """Leave the seat to the next worker."""
        if self._seat is not None:
            self._seat.close()

    def end(
        self,
        observation: Observation | None,
        operation: Operation,
        outcome: str,
        seconds: float,
    ) -> None:
        count, observe = self._operations[operation]
        count()
        observe(seconds)
        if outcome != SUCCESS:
            self._errors[operation, outcome]()

    def committed(self, entries: int, seconds: float) -> None:
        self._commit_seconds.observe(seconds)
        self._commit_entries.observe(entries)

    def sinks(self, lags: tuple[SinkLag, ...]) -> None:
        for lag in lags:
            self._lag[lag.sink](lag.records)

    def refused_authentication(self) -> None:
        self._authentication_failures.inc()

    def plugin_failed(self, port: str, kind: str) -> None:
        self._faults[port, kind]()

    def overloaded(self) -> None:
        self._overload_refusals.inc()

    def loop_late(self, seconds: float) -> None:
        self._loop_late.observe(seconds)

    def expose(self, accept: str) -> Exposition:
        """Return the page in the format that `accept` prefers: OpenMetrics, or else text."""
        encode, content_type = _encoder(accept)
        return Exposition(content_type, encode(self._page()))

    def _page(self) -> CollectorRegistry:
        if self._common is None:
            return self._registry
        page = CollectorRegistry()
        MultiProcessCollector(page, str(self._common))  # type: ignore[no-untyped-call]
        return page


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    try:
        encode, content_type = choose_encoder(accept)
    except TypeError:  # the library compares versions without asking whether they are numbers
        return choose_encoder("")
    # It also repeats any version that is asked for, true or not, from a stranger's header to ours.
    return (encode, content_type) if _SPOKEN(content_type) else choose_encoder("")
