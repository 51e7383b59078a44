"""The laws of every telemetry: it never fails or delays an operation, and names nobody."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping

import pytest

from aegis_kernel.domain.audit import SUCCESS
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import Principal, PrincipalKind
from aegis_kernel.spi.telemetry import OUTCOMES, Exposition, SinkLag, Telemetry

_KEY = KeyId("8a3f1e25-0c44-4f0e-9a51-2f1f0f6b7c3d")
_SUBJECTS = {kind: f"canary-{kind.value.lower()}@example.com" for kind in PrincipalKind}
_TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_ACCEPTS = (
    "",
    "*/*",
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "application/openmetrics-text;version=1.0.0;charset=utf-8",
    "application/openmetrics-text;version=x, text/plain;version=;;=",
    "text/plain;version=" + "9" * 5000,
    "\x00\xff,;=q",
)
_METRIC_LINE = re.compile(
    rb'#.*|[a-zA-Z_:][\w:]*(\{([a-zA-Z_]\w*="([^"\\\n]|\\["\\n])*",?)*\})? \S+( \S+)?( # .+)?'
)
_DECEITS: Mapping[str, Mapping[bytes, bytes]] = {
    "empty": {b"traceparent": b""},
    "not ASCII": {b"traceparent": b"\xff\xfe\x00", b"tracestate": b"\xff"},
    "too long": {b"traceparent": _TRACEPARENT + b"-" + b"0" * 60_000},
    "all zeros": {b"traceparent": b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-00"},
    "unknown version": {b"traceparent": b"ff" + _TRACEPARENT[2:]},
    "state without a parent": {b"tracestate": b"a=1,b=2"},
    "long state": {b"traceparent": _TRACEPARENT, b"tracestate": b"a=1," * 10_000},
    "broken state": {b"traceparent": _TRACEPARENT, b"tracestate": b"=,,;\x00="},
}


class TelemetryConformance:
    """Override `telemetry`; run with pytest-asyncio in auto mode."""

    @pytest.fixture
    def telemetry(self) -> Telemetry:
        """An opened telemetry; an async fixture that closes it afterwards will do."""
        raise NotImplementedError("override the fixture `telemetry`")

    async def test_it_is_healthy_once_opened(self, telemetry: Telemetry) -> None:
        assert (await telemetry.check()).status == "ok"

    async def test_its_description_is_one_printable_line_or_none(
        self, telemetry: Telemetry
    ) -> None:
        description = telemetry.description
        assert description is None or (description.strip() and description.isprintable())

    @pytest.mark.parametrize("operation", Operation)
    async def test_it_observes_every_operation_with_every_outcome(
        self, telemetry: Telemetry, operation: Operation
    ) -> None:
        for outcome in sorted(OUTCOMES):
            observe(telemetry, operation, outcome)

    async def test_it_bears_an_outcome_that_it_does_not_know(self, telemetry: Telemetry) -> None:
        for number in range(1000):
            observe(telemetry, Operation.SIGN, f"NeverHeardOf{number}")
        page = telemetry.expose("")
        assert page is None or page.body.count(b"NeverHeardOf") <= 1

    @pytest.mark.parametrize("kind", PrincipalKind)
    async def test_it_learns_of_every_kind_of_principal_with_and_without_a_key(
        self, telemetry: Telemetry, kind: PrincipalKind
    ) -> None:
        observe(telemetry, Operation.LIST, kind=kind, key_id=None)
        observe(telemetry, Operation.GET, kind=kind)

    async def test_an_observation_may_end_without_having_been_described(
        self, telemetry: Telemetry
    ) -> None:
        telemetry.end(telemetry.begin(Operation.GET, {}), Operation.GET, SUCCESS, 0.001)
        telemetry.end(None, Operation.GET, SUCCESS, 0.0)

    async def test_concurrent_observations_do_not_disturb_each_other(
        self, telemetry: Telemetry
    ) -> None:
        async def operate(number: int) -> None:
            operation = list(Operation)[number % len(Operation)]
            observation = telemetry.begin(operation, {})
            await asyncio.sleep(0.0001 * (number % 7))
            if observation is not None:
                observation.describe(principal(PrincipalKind.HUMAN), _KEY)
            telemetry.end(observation, operation, SUCCESS, 0.001)

        await asyncio.gather(*[operate(number) for number in range(200)])

    @pytest.mark.parametrize("headers", _DECEITS.values(), ids=_DECEITS)
    async def test_a_deceitful_trace_header_fails_nothing(
        self, telemetry: Telemetry, headers: Mapping[bytes, bytes]
    ) -> None:
        observe(telemetry, Operation.SIGN, headers=headers)

    async def test_it_costs_an_operation_less_than_a_millisecond(
        self, telemetry: Telemetry
    ) -> None:
        started = time.perf_counter()
        for _ in range(1000):
            observe(telemetry, Operation.ENCRYPT)
        assert time.perf_counter() - started < 1.0

    async def test_it_learns_of_commits_sinks_and_failed_authentications(
        self, telemetry: Telemetry
    ) -> None:
        telemetry.committed(1, 0.0)
        telemetry.committed(128, 12.5)
        telemetry.sinks(())
        telemetry.sinks((SinkLag("stdout", 0), SinkLag("file", 1_000_000)))
        telemetry.refused_authentication()

    @pytest.mark.parametrize("accept", _ACCEPTS, ids=range(len(_ACCEPTS)))
    async def test_the_page_is_well_formed_whatever_is_accepted(
        self, telemetry: Telemetry, accept: str
    ) -> None:
        observe(telemetry, Operation.SIGN, "IllegalOperation")
        page = telemetry.expose(accept)
        if page is not None:
            require_well_formed(page)

    async def test_the_page_names_no_subject_and_no_key(self, telemetry: Telemetry) -> None:
        for kind in PrincipalKind:
            for operation in Operation:
                observe(telemetry, operation, "PermissionDenied", kind=kind)
        page = telemetry.expose("")
        if page is not None:
            assert b"canary" not in page.body
            assert _KEY.encode() not in page.body

    async def test_it_closes_twice_and_fails_no_operation_afterwards(
        self, telemetry: Telemetry
    ) -> None:
        under_way = telemetry.begin(Operation.SIGN, {})
        await telemetry.aclose()
        telemetry.end(under_way, Operation.SIGN, SUCCESS, 0.001)
        observe(telemetry, Operation.SIGN)
        await telemetry.aclose()


def principal(kind: PrincipalKind) -> Principal:
    return Principal(subject=_SUBJECTS[kind], kind=kind, groups=frozenset({"canary-group"}))


def observe(
    telemetry: Telemetry,
    operation: Operation,
    outcome: str = SUCCESS,
    *,
    headers: Mapping[bytes, bytes] | None = None,
    kind: PrincipalKind = PrincipalKind.HUMAN,
    key_id: KeyId | None = _KEY,
) -> None:
    """Take one operation through the telemetry as the kernel does."""
    observation = telemetry.begin(operation, headers or {})
    if observation is not None:
        observation.describe(principal(kind), key_id)
    telemetry.end(observation, operation, outcome, 0.0005)


def require_well_formed(page: Exposition) -> None:
    """Every line is a sample or a comment, and the content type is a header value."""
    assert len(page.content_type) < 200
    assert page.content_type.isascii()
    assert page.content_type.isprintable()
    assert page.body.endswith(b"\n")
    wrong = [line for line in page.body.splitlines() if not _METRIC_LINE.fullmatch(line)]
    assert wrong == []
