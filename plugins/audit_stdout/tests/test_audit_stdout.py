from __future__ import annotations

import asyncio
import contextlib
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from aegis_audit_stdout import Plugin, StdoutSink

from aegis_kernel import BootError, LedgerRecord, NoSettings, UnavailableError
from aegis_kernel.testing import AuditSinkConformance
from aegis_kernel.testing.audit_sink import bodies, ledger
from aegis_kernel.testing.doubles import ThreadExecutor, plugin_context


class Reader:
    """The other end of the pipe: reads in a thread whenever it is not told to stop."""

    def __init__(self, descriptor: int) -> None:
        self.taken = b""
        self._descriptor = descriptor
        self._reading = threading.Event()
        self._reading.set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @contextlib.asynccontextmanager
    async def asleep(self) -> AsyncIterator[None]:
        self._reading.clear()
        await asyncio.sleep(0.02)
        yield
        self._reading.set()

    async def lines(self) -> list[bytes]:
        """Return the lines that arrived, when no further bytes do."""
        while select.select([self._descriptor], [], [], 0.05)[0]:
            await asyncio.sleep(0.005)
        return self.taken.split(b"\n")[:-1]

    def end(self) -> None:
        self._ended.set()
        self._reading.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._reading.wait()
            if select.select([self._descriptor], [], [], 0.01)[0]:
                self.taken += os.read(self._descriptor, 65536)


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Make standard output a pipe; its read end."""
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        yield read_end
    with contextlib.suppress(OSError):
        os.close(read_end)


@pytest.fixture
def reader(pipe: int) -> Iterator[Reader]:
    reader = Reader(pipe)
    yield reader
    reader.end()


@pytest.fixture
async def sink(pipe: int) -> AsyncIterator[StdoutSink]:
    sink = StdoutSink(ThreadExecutor())
    await sink.open()
    yield sink
    await sink.aclose()


class TestStdoutSink(AuditSinkConformance):
    @pytest.fixture
    async def sink(self, sink: StdoutSink, reader: Reader) -> StdoutSink:
        return sink

    @pytest.fixture
    def received(self, reader: Reader) -> Callable[[], Awaitable[Sequence[bytes]]]:
        return reader.lines

    @pytest.fixture
    def outage(self, reader: Reader) -> Callable[[], contextlib.AbstractAsyncContextManager[None]]:
        return reader.asleep


async def test_a_pipe_that_nobody_reads_blocks_no_event_loop(sink: StdoutSink) -> None:
    delivery = asyncio.create_task(sink.deliver(ledger(1, 1000)))
    started = time.perf_counter()
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert time.perf_counter() - started < 0.5
    with pytest.raises(UnavailableError, match="nothing was read for 1 s"):
        await delivery
    assert (await sink.check()).status == "degraded"


async def test_lines_are_neither_torn_nor_repeated_by_a_reader_that_sleeps(
    sink: StdoutSink, reader: Reader
) -> None:
    records = [LedgerRecord(n, b'{"n":%d,"x":"%s"}' % (n, b"x" * 9000)) for n in range(1, 60)]
    async with reader.asleep():
        with pytest.raises(UnavailableError):
            await sink.deliver(records[:50])
    await sink.deliver(records)
    assert await reader.lines() == bodies(records)
    assert (await sink.check()).status == "ok"


async def test_a_delivery_beside_a_stuck_one_is_refused_at_once(sink: StdoutSink) -> None:
    stuck = asyncio.create_task(sink.deliver(ledger(1, 1000)))
    await asyncio.sleep(0.05)
    with pytest.raises(UnavailableError, match="still taking earlier records"):
        await sink.deliver(ledger(1, 1000))
    with pytest.raises(UnavailableError, match="nothing was read"):
        await stuck


async def test_a_reader_that_is_gone_makes_the_sink_unavailable(
    sink: StdoutSink, pipe: int
) -> None:
    os.close(pipe)
    with pytest.raises(UnavailableError, match="Broken pipe"):
        await sink.deliver(ledger(1, 3))
    with pytest.raises(UnavailableError, match="Broken pipe"):
        await sink.deliver(ledger(1, 3))
    assert (await sink.check()).status == "unavailable"


async def test_closing_does_not_wait_for_a_reader_that_sleeps(sink: StdoutSink) -> None:
    stuck = asyncio.create_task(sink.deliver(ledger(1, 1000)))
    await asyncio.sleep(0.05)
    started = time.perf_counter()
    await sink.aclose()
    assert time.perf_counter() - started < 2
    with pytest.raises(UnavailableError):
        await stuck


async def test_who_ends_in_the_middle_of_a_delivery_leaves_no_torn_line(
    sink: StdoutSink, pipe: int
) -> None:
    """Another process, which shares the descriptor, goes on there."""
    stuck = asyncio.create_task(sink.deliver(ledger(1, 1000)))
    await asyncio.sleep(0.05)
    await sink.aclose()
    with pytest.raises(UnavailableError):
        await stuck
    assert os.read(pipe, 2**20).endswith(b"}\n")


async def test_a_file_takes_the_lines_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson"
    with path.open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        sink = StdoutSink(ThreadExecutor())
        await sink.open()
    await sink.deliver(ledger(1, 1000))
    await sink.aclose()
    assert path.read_bytes().splitlines() == bodies(ledger(1, 1000))


async def test_a_full_disk_is_reported_and_what_did_not_fit_comes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Path("/dev/full").open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        sink = StdoutSink(ThreadExecutor())
        await sink.open()
    with pytest.raises(UnavailableError, match="No space left"):
        await sink.deliver(ledger(1, 1))
    assert (await sink.check()).status == "degraded"
    await sink.aclose()


@pytest.mark.parametrize("stdout", [None, "closed"])
async def test_a_process_without_standard_output_does_not_boot(
    monkeypatch: pytest.MonkeyPatch, stdout: str | None
) -> None:
    with Path("/dev/null").open("w") as closed:
        pass
    monkeypatch.setattr(sys, "stdout", closed if stdout else None)
    sink = StdoutSink(ThreadExecutor())
    with pytest.raises(BootError, match="take stdout out of AEGIS_AUDIT_SINKS"):
        await sink.open()
    await sink.aclose()


def test_a_process_writes_pure_lines_of_json() -> None:
    script = """
import asyncio, sys
from pathlib import Path
from aegis_audit_stdout import Plugin
from aegis_kernel import NoSettings
from aegis_kernel.testing.audit_sink import ledger
from aegis_kernel.testing.doubles import plugin_context

async def main():
    sink = Plugin().aegis_audit_sink(plugin_context(NoSettings(), Path(".")))
    await sink.open()
    await sink.deliver(ledger(1, 500))
    await sink.aclose()

asyncio.run(main())
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert run.stdout.splitlines() == bodies(ledger(1, 500))
    assert [msgspec.json.decode(line)["op"] for line in run.stdout.splitlines()] == ["Sign"] * 500
    assert run.stderr == b""


def test_the_entry_point_builds_the_sink_without_touching_standard_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert isinstance(Plugin().aegis_audit_sink(plugin_context(NoSettings(), tmp_path)), StdoutSink)
