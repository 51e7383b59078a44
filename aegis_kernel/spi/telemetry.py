"""Port: telemetry observes operations; it never delays or fails one."""

from __future__ import annotations

from typing import Protocol

import msgspec

from aegis_kernel.domain import errors
from aegis_kernel.domain.audit import INVALID_MAC, INVALID_SIGNATURE, SUCCESS
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import Principal
from aegis_kernel.spi.authenticator import Headers
from aegis_kernel.spi.provider import Provider

#: Everything that `end` is ever told: a label made of it has few values.
OUTCOMES: frozenset[str] = frozenset({SUCCESS, INVALID_SIGNATURE, INVALID_MAC}) | {
    error.code
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, errors.AegisError) and hasattr(error, "code")
}


class Observation(Protocol):
    """One operation under way, as a telemetry that traces sees it."""

    def describe(self, principal: Principal, key_id: KeyId | None) -> None:
        """Learn who asks and for which key; called before the end, when both are known."""
        ...


class Exposition(msgspec.Struct, frozen=True):
    """A page of metrics: its content type and bytes."""

    content_type: str
    body: bytes


class SinkLag(msgspec.Struct, frozen=True):
    """How many committed records a sink has not received yet."""

    sink: str
    records: int


class Telemetry(Provider, Protocol):
    """Override what you observe; the rest does nothing. Called on the hot path: cheap, no I/O."""

    @property
    def description(self) -> str | None:
        """How boot names the tracing, without secrets; None where nothing is traced. Read after `open`."""
        return None

    def begin(self, operation: Operation, headers: Headers) -> Observation | None:
        """Return an observation, or None to be told only the end. `headers` may hold a traceparent."""
        return None

    def end(
        self,
        observation: Observation | None,
        operation: Operation,
        outcome: str,
        seconds: float,
    ) -> None:
        """Learn how it ended: "Success", "InvalidSignature" or an error code."""
        return

    def committed(self, entries: int, seconds: float) -> None:
        """Learn that one group commit of `entries` took `seconds`."""
        return

    def sinks(self, lags: tuple[SinkLag, ...]) -> None:
        """Learn how far behind each sink is; told about once a second."""
        return

    def refused_authentication(self) -> None:
        """Learn that a request failed to authenticate."""
        return

    def plugin_failed(self, port: str, kind: str) -> None:
        """Learn that a plugin did what no plugin may do, and that it was contained."""
        return

    def overloaded(self) -> None:
        """Learn that a request was refused unseen, because too many were under way."""
        return

    def loop_late(self, seconds: float) -> None:
        """Learn how late the event loop was; told about ten times a second."""
        return

    def expose(self, accept: str) -> Exposition | None:
        """Return the metrics page for that Accept header, or None if this telemetry has none."""
        return None
