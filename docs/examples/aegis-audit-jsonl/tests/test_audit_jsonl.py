"""The file has every record, in order and whole, whatever happens half-way."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aegis_audit_jsonl import JsonLinesSettings, Plugin

from aegis_kernel import AuditSink, BootError, LedgerRecord, read_section
from aegis_kernel.testing import AuditSinkConformance
from aegis_kernel.testing.audit_sink import Outage, Received
from aegis_kernel.testing.doubles import plugin_context


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit" / "records.jsonl"


@pytest.fixture
async def sink(path: Path) -> AsyncIterator[AuditSink]:
    sink = _sink_for(path)
    await sink.open()
    yield sink
    await sink.aclose()


class TestJsonLinesSink(AuditSinkConformance):
    @pytest.fixture
    def sink(self, sink: AuditSink) -> AuditSink:
        return sink

    @pytest.fixture
    def received(self, path: Path) -> Received:
        async def received() -> Sequence[bytes]:
            return path.read_bytes().removesuffix(b"\n").split(b"\n") if path.stat().st_size else []

        return received

    @pytest.fixture
    def outage(self, path: Path) -> Outage:
        @asynccontextmanager
        async def outage() -> AsyncIterator[None]:
            soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            # Files may grow by 300 bytes: the disk is full in the middle of a line.
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 300, hard))
            try:
                yield
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

        return outage


async def test_a_line_torn_by_a_crash_swallows_no_later_record(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'{"eventId":"1"}\n{"event')
    sink = _sink_for(path)
    await sink.open()
    await sink.deliver([LedgerRecord(2, b'{"eventId":"2"}')])
    await sink.aclose()
    assert path.read_bytes().split(b"\n") == [
        b'{"eventId":"1"}',
        b'{"event',
        b'{"eventId":"2"}',
        b"",
    ]


async def test_only_its_owner_may_read_the_file(sink: AuditSink, path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_cannot_be_opened_stops_the_boot_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(BootError, match="set AEGIS_AUDIT_JSONL_PATH"):
        await _sink_for(tmp_path).open()


def test_without_a_setting_the_file_is_in_the_data_folder(tmp_path: Path) -> None:
    sink = Plugin().aegis_audit_sink(plugin_context(JsonLinesSettings(), tmp_path))
    assert (tmp_path / "audit.jsonl") == sink._path


def _sink_for(path: Path) -> AuditSink:
    section = read_section(JsonLinesSettings, {"AEGIS_AUDIT_JSONL_PATH": str(path)})
    return Plugin().aegis_audit_sink(plugin_context(section, path.parent))
