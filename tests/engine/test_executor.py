"""The pool: two lanes, each bounded, and work that goes on holds its room."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from aegis_kernel.domain.errors import UnavailableError
from aegis_kernel.engine.executor import BoundedExecutor

THREADS, WAITING = 2, 6


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Work waits for it; it opens at the end, whatever happens."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def executor(gate: threading.Event) -> Iterator[BoundedExecutor]:
    executor = BoundedExecutor(THREADS, WAITING)
    yield executor
    gate.set()
    executor.close()


async def test_short_work_does_not_wait_behind_long_work_however_much(
    executor: BoundedExecutor, gate: threading.Event
) -> None:
    long = [asyncio.create_task(executor.run_long(gate.wait, 30)) for _ in range(WAITING)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        assert await executor.run(sum, (1, 2)) == 3
    assert not any(task.done() for task in long)
    gate.set()
    assert all(await asyncio.gather(*long))


@pytest.mark.parametrize("lane", ["run", "run_long"])
async def test_a_full_lane_refuses_and_who_gives_up_leaves_it_full(
    lane: str, executor: BoundedExecutor, gate: threading.Event
) -> None:
    run = getattr(executor, lane)
    work = [asyncio.create_task(run(gate.wait, 30)) for _ in range(WAITING)]
    await asyncio.sleep(0)
    for task in work:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)
    with pytest.raises(UnavailableError, match="slow work"):
        await run(gate.wait, 30)
    gate.set()
    async with asyncio.timeout(10):
        while True:
            try:
                assert await run(sum, (1, 2)) == 3
                break
            except UnavailableError:
                await asyncio.sleep(0.01)
