"""R4: what many clients see of a key over four hosts is what one after the other would have seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.faults.asked import histories
from tests.faults.clients import headers
from tests.faults.hosts import hosts, postgres_store, urls_of
from tests.faults.linear import FAILED, UNKNOWN, Standing, Step, unlawful
from tests.faults.planted_postgres import WITHOUT_LOCKS
from tests.faults.report import Faults
from tests.faults.stores import SQLITE, Store
from tests.support.postgres import PostgresServer
from tests.support.server import Server

CLIENTS = 8
STEPS = 64
FAULT = "concurrent histories"
HOSTS = 4
WORKERS = 4


async def look(
    stores: Sequence[Store],
    place: Path,
    faults: Faults,
    keys: int,
    *changes: str,
    prepare: Callable[[], object] = lambda: None,
) -> tuple[list[Step], list[str]]:
    """Return every step on up to `keys` keys, and why a history is unlawful, if one is."""
    steps, wrong = list[Step](), list[str]()
    with hosts(stores, place, *changes) as servers:
        prepare()
        async with AsyncExitStack() as stack:
            http = [
                await stack.enter_async_context(httpx.AsyncClient(headers=headers(), timeout=20))
                for _ in range(CLIENTS)
            ]
            for _ in range(keys):
                history = await histories(urls_of(servers), http, faults.dice, STEPS)
                steps += history
                if fault := unlawful(history, Standing()):
                    wrong.append(fault)
                    break
        end_all(servers)
    return steps, wrong


def end_all(servers: Sequence[Server]) -> None:
    assert [server.terminate() for server in servers] == [0] * len(servers)


@pytest.mark.parametrize("kind", ["postgres", "postgres with workers", "sqlite"])
async def test_every_history_has_a_lawful_order(
    kind: str, tmp_path: Path, faults: Faults, request: pytest.FixtureRequest
) -> None:
    stores = [SQLITE]
    if kind == "postgres":
        stores = [postgres_store(request.getfixturevalue("postgres"))] * HOSTS
    if kind == "postgres with workers":
        stores = [postgres_store(request.getfixturevalue("postgres"), workers=WORKERS)]
    keys = faults.of(6, 200)
    steps, wrong = await look(stores, tmp_path / "hosts", faults, keys)
    assert wrong == []
    assert not [step for step in steps if step.told == FAILED]
    unknown = sum(step.told == UNKNOWN for step in steps)
    assert unknown < len(steps) // 20
    faults.passed(
        "R4", f"{FAULT}, {kind}, {len(stores)} hosts", keys, operations=len(steps), keys=keys,
        without_answer=unknown, unlawful=0,
    )  # fmt: skip


async def test_it_turns_red_when_uses_are_not_fenced(
    tmp_path: Path, faults: Faults, postgres: str
) -> None:
    bug = "tests.faults.planted_fence:fences_no_use"
    _, wrong = await look([postgres_store(postgres)] * 2, tmp_path / "hosts", faults, 20, bug)
    assert wrong
    faults.red("R4", FAULT, "uses without expectations", wrong[0])


async def test_it_turns_red_without_the_locks(
    tmp_path: Path, faults: Faults, postgres: str, postgres_server: PostgresServer
) -> None:
    database = postgres.rpartition("/")[2]
    stores = [postgres_store(postgres)] * HOSTS
    _, wrong = await look(
        stores, tmp_path / "hosts", faults, 20,
        prepare=lambda: postgres_server.execute(WITHOUT_LOCKS, database),
    )  # fmt: skip
    assert wrong
    faults.red("R4", FAULT, "commits without locks and unique keys", wrong[0])
