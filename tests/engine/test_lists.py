"""A list costs as much as it shows: of many keys that its reader may not see it looks at few."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aegis_kernel import Authorizer, Circumstances, Decision, Key, Operation, Page, Principal, Query
from aegis_kernel.domain.spec import Algorithm, KeySpec
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations import reads
from tests.support.kernel import ALICE, BOB, settings

BOBS = {3, 17, 39}


class Journal:
    """A journal that notes what it is asked to find."""

    def __init__(self, kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
        self.queries: list[Query] = []
        self.found = 0
        self._find = kernel.providers.journal.find
        monkeypatch.setattr(kernel.providers.journal, "find", self.find)

    async def find(self, query: Query) -> Page:
        page = await self._find(query)
        self.queries.append(query)
        self.found += len(page.items)
        return page


class OneByOne(Authorizer):
    """Says of no owner in advance what may be read: every key has to be asked for."""

    def decide(
        self,
        principal: Principal,
        operation: Operation,
        key: Key | None,
        circumstances: Circumstances,
    ) -> Decision:
        return Decision(key is None or key.owner == principal.subject, "its owner, or not")


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[Kernel]:
    """A kernel with 40 keys, of which three are bob's."""
    async with Kernel(settings(tmp_path)) as kernel:
        for number in range(40):
            caller = BOB if number in BOBS else ALICE
            spec = KeySpec(name=f"key {number}", algorithm=Algorithm.AES, size_bits=256)
            await kernel.pipeline.run(op.CREATE, caller, m.CreateKey(spec=spec))
        yield kernel


async def test_who_may_read_few_keys_is_shown_them_without_a_look_at_the_others(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(kernel, monkeypatch)
    listed = await kernel.pipeline.run(op.LIST, BOB, m.ListKeys(limit=2))
    assert ([key.spec.name for key in listed.keys], journal.found) == (["key 3", "key 17"], 2)
    rest = await kernel.pipeline.run(op.LIST, BOB, m.ListKeys(cursor=listed.next_cursor))
    assert ([key.spec.name for key in rest.keys], rest.next_cursor) == (["key 39"], None)
    assert {query.owner for query in journal.queries} == {"bob"}


async def test_an_admins_list_is_of_every_owner(kernel: Kernel) -> None:
    listed = await kernel.pipeline.run(op.LIST, ALICE, m.ListKeys(limit=100))
    assert len(listed.keys) == 40


async def test_a_list_that_finds_nothing_to_show_stops_and_hands_out_a_cursor(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel.pipeline._bench.authority, "_authorizer", OneByOne())
    monkeypatch.setattr(reads, "MAX_LIMIT", 4)
    journal = Journal(kernel, monkeypatch)
    names, lists, cursor = [], 0, None
    while cursor is not None or not lists:
        lists += 1
        journal.queries.clear()
        listed = await kernel.pipeline.run(op.LIST, BOB, m.ListKeys(limit=4, cursor=cursor))
        assert len(journal.queries) <= reads.MAX_PAGES
        names += [key.spec.name for key in listed.keys]
        cursor = listed.next_cursor
    assert (names, lists) == (["key 3", "key 17", "key 39"], 2)


async def test_pages_of_every_size_leave_out_nothing(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel.pipeline._bench.authority, "_authorizer", OneByOne())
    monkeypatch.setattr(reads, "MAX_LIMIT", 7)
    for limit in (1, 2, 3, 5, 37, 500):
        names, cursor = [], None
        while not names or cursor is not None:
            listed = await kernel.pipeline.run(
                op.LIST, ALICE, m.ListKeys(limit=limit, cursor=cursor)
            )
            assert len(listed.keys) <= limit
            names += [key.spec.name for key in listed.keys]
            cursor = listed.next_cursor
        assert names == [f"key {n}" for n in range(40) if n not in BOBS], limit
