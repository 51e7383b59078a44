"""Sinks: at least once, in order, at their own pace; dead or slow, they delay nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from aegis_journal_memory import Plugin

from aegis_kernel.domain.errors import UnavailableError
from aegis_kernel.engine import delivery
from aegis_kernel.engine.commit import Committer
from aegis_kernel.engine.delivery import Delivery, SinkFeed
from aegis_kernel.engine.observers import Observers
from aegis_kernel.spi.hooks import NoSettings
from aegis_kernel.spi.journal import Entry, Journal, LedgerRecord, Record
from aegis_kernel.testing.doubles import ManualClock, plugin_context


class Collecting:
    """A sink that keeps what it gets, and fails or hangs when it is told to."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.calls = 0
        self.failures_left = 0
        self.hang = asyncio.Event()
        self.hang.set()

    async def deliver(self, records: Sequence[LedgerRecord]) -> None:
        self.calls += 1
        await self.hang.wait()
        if self.failures_left:
            self.failures_left -= 1
            raise OSError("sink is away")
        self.positions += [record.position for record in records]

    async def open(self) -> None: ...
    async def aclose(self) -> None: ...
    async def check(self) -> Any: ...


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    memory = Plugin().aegis_journal(plugin_context(NoSettings(), tmp_path))
    await memory.open()
    yield memory
    await memory.aclose()


async def write(journal: Journal, count: int) -> None:
    entries = [Entry(expects={}, records=(Record(str(n), b"{}"),)) for n in range(count)]
    await journal.commit(entries)


async def until(condition: Any, seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_sink_gets_everything_once_and_in_order(journal: Journal) -> None:
    sink = Collecting()
    feed = SinkFeed("one", sink, journal, required=False)
    task = asyncio.create_task(feed.run())
    for _ in range(5):
        await write(journal, 700)
        feed.wake()
        await asyncio.sleep(0.02)
    async with asyncio.timeout(15):
        while await journal.cursor("one") < 3500:
            await asyncio.sleep(0.01)
    task.cancel()
    assert sink.positions == list(range(1, 3501))


async def test_what_a_sink_refused_comes_again(journal: Journal) -> None:
    sink = Collecting()
    sink.failures_left = 2
    await write(journal, 3)
    feed = SinkFeed("one", sink, journal, required=False)
    task = asyncio.create_task(feed.run())
    await until(lambda: sink.positions)
    task.cancel()
    assert (sink.positions, sink.calls) == ([1, 2, 3], 3)


async def test_a_hanging_sink_is_given_up_and_asked_again(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "DELIVER_SECONDS", 0.05)
    sink = Collecting()
    sink.hang.clear()
    await write(journal, 1)
    feed = SinkFeed("one", sink, journal, required=False)
    task = asyncio.create_task(feed.run())
    await until(lambda: feed.is_failing)
    sink.hang.set()
    await until(lambda: sink.positions)
    task.cancel()
    assert sink.positions == [1]


async def test_one_dead_sink_does_not_hold_back_another(journal: Journal) -> None:
    dead, live = Collecting(), Collecting()
    dead.failures_left = 10**6
    feeds = (
        SinkFeed("dead", dead, journal, required=False),
        SinkFeed("live", live, journal, required=False),
    )
    observers = Observers((), ManualClock())
    committer = Committer(journal, ManualClock(), lambda entries, seconds: None)
    together = Delivery(feeds, committer, observers, 10)
    together.start()
    await write(journal, 5)
    together.wake()
    await until(lambda: len(live.positions) == 5)
    await together.aclose(0.1)
    assert await journal.cursor("dead") == 0


async def test_a_required_sink_far_behind_closes_commits_until_it_catches_up(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LAG_SECONDS", 0.01)
    sink = Collecting()
    sink.failures_left = 4
    feeds = (SinkFeed("needed", sink, journal, required=True),)
    committer = Committer(journal, ManualClock(), lambda entries, seconds: None)
    together = Delivery(feeds, committer, Observers((), ManualClock()), 10)
    await write(journal, 11)
    together.start()
    await until(lambda: committer.closed_because)
    with pytest.raises(UnavailableError, match="audit sink"):
        await committer.commit(Entry(expects={}))
    await until(lambda: committer.closed_because is None, 20)
    assert len(sink.positions) == 11
    await together.aclose(0.1)


async def test_stopping_delivers_what_is_left(journal: Journal) -> None:
    sink = Collecting()
    feed = SinkFeed("one", sink, journal, required=False)
    committer = Committer(journal, ManualClock(), lambda entries, seconds: None)
    together = Delivery((feed,), committer, Observers((), ManualClock()), 10)
    await write(journal, 4)
    await together.aclose(1)
    assert sink.positions == [1, 2, 3, 4]
