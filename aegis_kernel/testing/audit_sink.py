"""The laws of every audit sink: each record at least once, in order, byte for byte."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

import msgspec
import pytest

from aegis_kernel.spi.audit_sink import AuditSink
from aegis_kernel.spi.journal import LedgerRecord

Received = Callable[[], Awaitable[Sequence[bytes]]]
Outage = Callable[[], AbstractAsyncContextManager[None]]


class AuditSinkConformance:
    """Override `sink` and `received`, and `outage` if you can; pytest-asyncio in auto mode."""

    @pytest.fixture
    def sink(self) -> AuditSink:
        """An opened sink; an async fixture that closes it afterwards will do."""
        raise NotImplementedError("override the fixture `sink`")

    @pytest.fixture
    def received(self) -> Received:
        """Return the bodies that have arrived since the sink was opened, oldest first."""
        raise NotImplementedError("override the fixture `received`")

    @pytest.fixture
    def outage(self) -> Outage:
        """Inside this context manager the far end takes nothing; after it, it does again."""
        pytest.skip("this sink's tests do not say how its far end fails")

    async def test_it_is_healthy_once_opened(self, sink: AuditSink) -> None:
        assert (await sink.check()).status == "ok"

    async def test_records_arrive_in_order_and_byte_for_byte(
        self, sink: AuditSink, received: Received
    ) -> None:
        records = ledger(1, 10)
        await sink.deliver(records)
        assert list(await received()) == bodies(records)

    async def test_a_thousand_records_arrive_in_batches(
        self, sink: AuditSink, received: Received
    ) -> None:
        records = ledger(1, 1000)
        for start in range(0, 1000, 128):
            await sink.deliver(records[start : start + 128])
        assert list(await received()) == bodies(records)

    async def test_an_empty_batch_is_nothing(self, sink: AuditSink, received: Received) -> None:
        await sink.deliver(())
        assert list(await received()) == []

    async def test_text_of_every_script_arrives_unchanged(
        self, sink: AuditSink, received: Received
    ) -> None:
        strange = [
            LedgerRecord(position, msgspec.json.encode({"eventId": str(position), "reason": text}))
            for position, text in enumerate(
                ["Schlüssel 鍵 🔑", 'quote " and \\', "line\nfeed", "\u2028", "\x00\x7f"], start=1
            )
        ]
        await sink.deliver(strange)
        assert list(await received()) == bodies(strange)

    async def test_a_large_record_arrives_whole(self, sink: AuditSink, received: Received) -> None:
        large = LedgerRecord(1, msgspec.json.encode({"eventId": "1", "reason": "x" * 20_000}))
        await sink.deliver((large, *ledger(2, 1)))
        assert list(await received()) == bodies([large, *ledger(2, 1)])

    async def test_what_is_delivered_again_is_taken_again(
        self, sink: AuditSink, received: Received
    ) -> None:
        records = ledger(1, 6)
        await sink.deliver(records[:4])
        await sink.deliver(records)
        assert distinct(await received()) == bodies(records)

    async def test_a_record_that_failed_arrives_when_it_comes_again(
        self, sink: AuditSink, received: Received, outage: Outage
    ) -> None:
        records = ledger(1, 700)
        await sink.deliver(records[:3])
        async with outage():
            with pytest.raises(Exception):  # noqa: B017, PT011 - the sink's own error; any is a failure
                await sink.deliver(records[3:])
        await sink.deliver(records[3:])
        assert distinct(await received()) == bodies(records)

    async def test_it_closes_twice(self, sink: AuditSink) -> None:
        await sink.deliver(ledger(1, 1))
        await sink.aclose()
        await sink.aclose()

    async def test_a_closed_sink_does_not_claim_to_have_delivered(self, sink: AuditSink) -> None:
        await sink.aclose()
        with pytest.raises(Exception):  # noqa: B017, PT011 - the sink's own error; any is a failure
            await sink.deliver(ledger(1, 1))


def ledger(first: int, count: int) -> list[LedgerRecord]:
    """Return `count` audit records from position `first` on, each about 200 bytes."""
    return [LedgerRecord(position, _body(position)) for position in range(first, first + count)]


def bodies(records: Sequence[LedgerRecord]) -> list[bytes]:
    return [record.body for record in records]


def distinct(received: Sequence[bytes]) -> list[bytes]:
    """Return the bodies without their repetitions, in the order of their first arrival."""
    return list(dict.fromkeys(received))


def _body(position: int) -> bytes:
    return msgspec.json.encode(
        {
            "ts": "2026-05-08T14:23:45.234Z",
            "actor": "alice",
            "actorKind": "Human",
            "op": "Sign",
            "keyId": "8a3f1e25-0c44-4f0e-9a51-2f1f0f6b7c3d",
            "outcome": "Success",
            "eventId": f"01970000-0000-7000-8000-{position:012d}",
        }
    )
