"""Group commit: batches form by themselves, and each entry is judged alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from aegis_journal_memory import Plugin

from aegis_kernel.domain.errors import InternalError, UnavailableError
from aegis_kernel.engine.commit import MAX_BATCH, MAX_WAITING, WAIT_SECONDS, Committer
from aegis_kernel.spi.hooks import NoSettings
from aegis_kernel.spi.journal import Append, Committed, Conflict, Entry, Record
from aegis_kernel.testing.doubles import ManualClock, plugin_context


class Held:
    """A real journal whose commits wait for a gate, as a slow disk would make them."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal
        self.gate = asyncio.Event()
        self.batches: list[int] = []
        self.error: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def commit(self, entries: Sequence[Entry]) -> Any:
        self.batches.append(len(entries))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return await self._journal.commit(entries)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Held]:
    memory = Plugin().aegis_journal(plugin_context(NoSettings(), tmp_path))
    await memory.open()
    yield Held(memory)
    await memory.aclose()


@pytest.fixture
def committer(journal: Held) -> Committer:
    return Committer(journal, ManualClock(), lambda entries, seconds: None)  # type: ignore[arg-type]


def use(stream: str, sequence: int) -> Entry:
    return Entry(expects={stream: sequence}, records=(Record("id", b"{}"),))


def change(stream: str, sequence: int) -> Entry:
    appended = Append(stream=stream, events=(b"{}",), snapshot=b"{}")
    return Entry(expects={stream: sequence}, appends=(appended,))


async def test_entries_that_arrive_during_a_commit_go_together_in_the_next(
    journal: Held, committer: Committer
) -> None:
    first = asyncio.create_task(committer.commit(use("key/a", 0)))
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(committer.commit(use("key/a", 0))) for _ in range(40)]
    await asyncio.sleep(0.01)
    journal.gate.set()
    verdicts = await asyncio.gather(first, *others)
    assert journal.batches == [1, 40]
    assert set(map(type, verdicts)) == {Committed}


async def test_a_conflict_leaves_its_batch_mates_alone(journal: Held, committer: Committer) -> None:
    journal.gate.set()
    verdicts = await asyncio.gather(
        committer.commit(change("key/a", 0)),
        committer.commit(use("key/b", 7)),
        committer.commit(use("key/c", 0)),
        committer.commit(change("key/d", 0)),
    )
    assert [type(v) for v in verdicts] == [Committed, Conflict, Committed, Committed]
    assert journal.batches == [4]


async def test_in_a_batch_uses_come_before_changes(journal: Held, committer: Committer) -> None:
    journal.gate.set()
    changed, used = await asyncio.gather(
        committer.commit(change("key/a", 0)), committer.commit(use("key/a", 0))
    )
    assert (type(changed), type(used)) == (Committed, Committed)


async def test_a_batch_is_bounded(journal: Held, committer: Committer) -> None:
    journal.gate.set()
    await asyncio.gather(*(committer.commit(use("key/a", 0)) for _ in range(MAX_BATCH + 1)))
    assert max(journal.batches) <= MAX_BATCH


async def test_a_journal_that_cannot_answer_makes_every_waiter_unavailable(
    journal: Held, committer: Committer
) -> None:
    journal.gate.set()
    journal.error = UnavailableError("disk full")
    outcomes = await asyncio.gather(
        *(committer.commit(use("key/a", 0)) for _ in range(3)), return_exceptions=True
    )
    assert set(map(type, outcomes)) == {UnavailableError}
    journal.error = None
    assert isinstance(await committer.commit(use("key/a", 0)), Committed)


async def test_a_journal_that_breaks_leaves_nobody_waiting(
    journal: Held, committer: Committer
) -> None:
    journal.gate.set()
    journal.error = RuntimeError("a bug")
    with pytest.raises(InternalError):
        await committer.commit(use("key/a", 0))


async def test_the_queue_is_bounded(journal: Held, committer: Committer) -> None:
    tasks = [
        asyncio.create_task(committer.commit(use("key/a", 0))) for _ in range(MAX_WAITING + 200)
    ]
    await asyncio.sleep(0.05)
    refused = [task for task in tasks if task.done()]
    assert 0 < len(refused) <= 200
    assert all(isinstance(task.exception(), UnavailableError) for task in refused)
    journal.gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_nothing_is_committed_while_commits_are_closed(committer: Committer) -> None:
    committer.closed_because = "a sink is behind"
    with pytest.raises(UnavailableError, match="a sink is behind"):
        await committer.commit(use("key/a", 0))


async def test_what_waited_too_long_is_never_tried_and_is_told_so(journal: Held) -> None:
    clock = ManualClock()
    committer = Committer(journal, clock, lambda entries, seconds: None)  # type: ignore[arg-type]
    first = asyncio.create_task(committer.commit(use("key/a", 0)))
    await asyncio.sleep(0.01)
    late = asyncio.create_task(committer.commit(use("key/a", 0)))
    await asyncio.sleep(0.01)
    clock.advance(WAIT_SECONDS + 0.1)
    journal.gate.set()
    assert isinstance(await first, Committed)
    with pytest.raises(UnavailableError, match="behind"):
        await late
    assert journal.batches == [1]


async def test_a_slow_journal_shortens_the_queue_to_what_it_can_do_in_time(journal: Held) -> None:
    clock = ManualClock()
    committer = Committer(journal, clock, lambda entries, seconds: None)  # type: ignore[arg-type]
    for _ in range(30):
        journal.gate.clear()
        one = asyncio.create_task(committer.commit(use("key/a", 0)))
        await asyncio.sleep(0.001)
        clock.advance(0.05)  # an entry takes 50 ms: ten of them half a second
        journal.gate.set()
        assert isinstance(await one, Committed)
    journal.gate.clear()
    tasks = [asyncio.create_task(committer.commit(use("key/a", 0))) for _ in range(1000)]
    await asyncio.sleep(0.05)
    refused = [task for task in tasks if task.done()]
    assert 1000 - len(refused) <= 2 * MAX_BATCH
    journal.gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
