"""Bugs, each of which a protocol must notice. They live here, and in no switch of the product."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from aegis_kernel.engine.commit import Committer
from aegis_kernel.spi.journal import Committed, Entry

_tasks: set[asyncio.Task[Any]] = set()


def answers_first(milliseconds: str = "20") -> None:
    """Answer, and commit a moment later."""
    commit = Committer.commit

    async def later(self: Committer, entry: Entry) -> Any:
        await asyncio.sleep(int(milliseconds) / 1000)
        return await commit(self, entry)

    async def at_once(self: Committer, entry: Entry) -> Committed:
        _in_background(later(self, entry))
        return Committed()

    Committer.commit = at_once  # type: ignore[method-assign]


def _in_background(work: Coroutine[Any, Any, Any]) -> None:
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
