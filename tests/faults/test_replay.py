"""R12, replay: history, projection and the key as served are one, on every journal alike."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, given

from aegis_kernel.domain import events
from aegis_kernel.domain.events import KeyActivated
from aegis_kernel.engine.clock import SystemClock
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.testing.doubles import ManualClock
from tests.faults.checker import BrokenPromiseError
from tests.faults.clients import REAL
from tests.faults.histories import HISTORIES, Request, live
from tests.faults.hosts import postgres_store
from tests.faults.report import Faults
from tests.support.kernel import settings

FAULT = "replay of random histories"
#: A further journal is a further row: its kernel lives every history too.
JOURNALS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"memory": {}, "sqlite": {"AEGIS_JOURNAL_KIND": "sqlite"}}
)


def live_all(
    place: Path, journals: Mapping[str, Mapping[str, str]], histories: int, faults: Faults
) -> int:
    """Live so many histories on all journals; return how many keys they made on each."""
    with asyncio.Runner() as runner:
        stack, lived = AsyncExitStack(), 0
        kernels = runner.run(_open(stack, place, journals))

        @hypothesis.seed(faults.seed)
        @hypothesis.settings(
            max_examples=histories,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(HISTORIES)
        def one(history: list[Request]) -> None:
            nonlocal lived
            lived += 1
            runner.run(_require_alike(kernels, history))

        try:
            one()
        finally:
            runner.run(stack.aclose())
    return lived


async def _open(
    stack: AsyncExitStack, place: Path, journals: Mapping[str, Mapping[str, str]]
) -> dict[str, Kernel]:
    # One clock that stands still, so that the same request makes the same event everywhere.
    clock = ManualClock()
    kernels = {}
    for name, environment in journals.items():
        chosen = settings(place / name, **(REAL | dict(environment)))
        kernels[name] = await stack.enter_async_context(Kernel(chosen, clock))
    return kernels


async def _require_alike(kernels: Mapping[str, Kernel], history: Sequence[Request]) -> None:
    told = {name: await live(kernel, history) for name, kernel in kernels.items()}
    first, *others = told
    for other in others:
        if told[other] != told[first]:
            raise BrokenPromiseError(f"{first} and {other} differ: {told[first]} {told[other]}")


def test_replay_projection_and_service_are_one(
    tmp_path: Path, faults: Faults, postgres: str
) -> None:
    journals = dict(JOURNALS) | {"postgres": postgres_store(postgres).environment}
    lived = live_all(tmp_path, journals, faults.of(50, 1000), faults)
    faults.passed("R12", f"{FAULT}, {' = '.join(journals)}", lived, histories=lived, unequal=0)


def test_it_turns_red_when_the_fold_reads_a_clock(
    tmp_path: Path, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold, clock = events._FOLDS[KeyActivated], SystemClock()

    def now(key: Any, event: KeyActivated) -> Any:
        folded = fold(key, event)
        return events.replace(folded, activated_at=datetime.fromtimestamp(clock.time(), UTC))

    monkeypatch.setattr(events, "_FOLDS", dict(events._FOLDS) | {KeyActivated: now})
    with pytest.raises(BrokenPromiseError, match="differ") as noticed:
        live_all(tmp_path, {"memory": {}}, 50, faults)
    faults.red("R12", FAULT, "the fold reads a clock", str(noticed.value))
