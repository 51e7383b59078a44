"""However many ask at once and in whatever order, no use of a grant is released that a model forbids."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis_kernel.domain.errors import PermissionDeniedError, UnavailableError
from aegis_kernel.domain.grant import Grant
from aegis_kernel.domain.key import KeyId
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.turns import Turns
from aegis_kernel.testing.doubles import ManualClock
from tests.support.grants import aes, encrypt, grant, listed, retire
from tests.support.kernel import ALICE, BOB
from tests.support.kernel import settings as kernel_settings

AT_ONCE = 64
USES = 10


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def journal(request: pytest.FixtureRequest) -> dict[str, str]:
    named = {"AEGIS_JOURNAL_KIND": request.param}
    if request.param == "postgres":
        named["AEGIS_JOURNAL_POSTGRES_URL"] = request.getfixturevalue("postgres")
    return named


async def tried(kernel: Kernel, key_id: KeyId, **context: str) -> str:
    try:
        await encrypt(kernel, BOB, key_id, **context)
    except (PermissionDeniedError, UnavailableError) as refused:
        return refused.code
    return "used"


async def test_of_64_uses_at_once_exactly_as_many_succeed_as_were_granted(
    tmp_path: Path, journal: dict[str, str]
) -> None:
    async with Kernel(kernel_settings(tmp_path, **journal)) as kernel:
        key_id = await aes(kernel)
        for _ in range(3):
            given_now = await grant(kernel, key_id, max_uses=USES)
            came_to = Counter(
                await asyncio.gather(*(tried(kernel, key_id) for _ in range(AT_ONCE)))
            )
            assert came_to == {"used": USES, "PermissionDenied": AT_ONCE - USES}
            (answer,) = [e for e in await listed(kernel, key_id) if e.grant == given_now]
            assert answer.used == USES
        turns = kernel.pipeline._bench.grants.turns
        assert (len(turns), turns.held) == (0, {})


async def test_64_uses_amid_other_changes_of_the_key_lose_none(tmp_path: Path) -> None:
    async with Kernel(kernel_settings(tmp_path)) as kernel:
        key_id = await aes(kernel)
        await grant(kernel, key_id, max_uses=AT_ONCE)

        async def change() -> None:
            for number in range(5):
                request = m.Update(description=str(number))
                await kernel.pipeline.run(op.UPDATE, ALICE, request, key_id)

        came_to = await asyncio.gather(*(tried(kernel, key_id) for _ in range(AT_ONCE)), change())
        assert Counter(came_to)["used"] == AT_ONCE
        assert (await listed(kernel, key_id))[0].used == AT_ONCE


async def test_two_hosts_use_one_grant_and_no_use_is_had_twice(
    tmp_path: Path, postgres: str
) -> None:
    chosen = kernel_settings(
        tmp_path, AEGIS_JOURNAL_KIND="postgres", AEGIS_JOURNAL_POSTGRES_URL=postgres
    )
    async with Kernel(chosen) as one, Kernel(chosen) as two:
        key_id = await aes(one)
        await grant(one, key_id, max_uses=USES)
        many = [tried(kernel, key_id) for kernel in (one, two) * 12]
        assert Counter(await asyncio.gather(*many)) == {
            "used": USES,
            "PermissionDenied": 24 - USES,
        }
        assert (await listed(two, key_id))[0].used == USES


async def test_no_use_begins_after_a_retirement_and_is_released(tmp_path: Path) -> None:
    async with Kernel(kernel_settings(tmp_path)) as kernel:
        key_id = await aes(kernel)
        for turn in range(100):
            given_now = await grant(kernel, key_id, max_uses=None if turn % 2 else 50)
            assert await race(kernel, key_id, given_now) == 0


async def race(kernel: Kernel, key_id: KeyId, used: Grant) -> int:
    """Retire a grant amid its uses; return how many began after the answer and were released."""
    acknowledged = False

    async def use() -> int:
        began_after = acknowledged
        return int(await tried(kernel, key_id) == "used" and began_after)

    async def end() -> int:
        nonlocal acknowledged
        await retire(kernel, key_id, used)
        acknowledged = True
        return await use()

    return sum(await asyncio.gather(*(use() for _ in range(4)), end(), *(use() for _ in range(4))))


async def test_turns_are_in_order_bounded_in_number_and_in_time_and_leave_nothing() -> None:
    turns, order = Turns(seconds=0.05, most=3), list[str]()

    async def take(holder: str, *names: str) -> None:
        await turns.take(holder, names)
        order.append(holder)

    await take("first", "a", "b")
    await take("first", "b")  # has it already
    waiting = [asyncio.create_task(take(each, "b", "a")) for each in ("second", "third")]
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError):
        await turns.take("one too many", ["a"])
    turns.give_back("first")
    await asyncio.sleep(0.01)
    turns.give_back("second")
    await asyncio.gather(*waiting)
    assert order == ["first", "first", "second", "third"]
    with pytest.raises(UnavailableError):
        await turns.take("too late", ["b"])
    gone = asyncio.create_task(turns.take("gone away", ["a"]))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    turns.give_back("third")
    turns.give_back("nobody")
    assert (len(turns), turns.held) == (0, {})


class Model:
    """What a grant is, written from the page: who forgets a rule here has two places to forget it."""

    def __init__(self, ends: float | None, uses: int | None, context: dict[str, str]) -> None:
        self.ends, self.left, self.context = ends, uses, context
        self.retired = False

    def allows(self, now: float, context: dict[str, str], wanted: int) -> bool:
        if self.retired or (self.ends is not None and now >= self.ends):
            return False
        if any(context.get(name) != value for name, value in self.context.items()):
            return False
        return self.left is None or self.left >= wanted


CONTEXTS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("12"), max_size=2)
STEPS = st.one_of(
    st.tuples(
        st.just("create"), st.none() | st.integers(1, 30), st.none() | st.integers(1, 4), CONTEXTS
    ),
    st.tuples(st.just("use"), st.integers(1, 3), CONTEXTS),
    st.tuples(st.just("retire"), st.integers(0, 5)),
    st.tuples(st.just("wait"), st.integers(1, 20)),
)


def test_no_sequence_of_steps_lets_a_use_through_that_a_model_forbids(tmp_path: Path) -> None:
    @settings(
        max_examples=75,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(steps=st.lists(STEPS, min_size=4, max_size=25))
    def look(steps: list[Any]) -> None:
        asyncio.run(walk(tmp_path, steps))

    look()


async def walk(place: Path, steps: list[Any]) -> None:
    clock = ManualClock(1_778_289_825.0)
    async with Kernel(kernel_settings(place), clock) as kernel:
        key_id = await aes(kernel)
        known = list[tuple[Grant, Model]]()
        for name, *how in steps:
            if name == "create":
                ttl, uses, context = how
                made = await grant(kernel, key_id, ttl_seconds=ttl, max_uses=uses, context=context)
                ends = None if ttl is None else clock.time() + ttl
                known.append((made, Model(ends, uses, context)))
            elif name == "use":
                await use(kernel, clock, key_id, [model for _, model in known], *how)
            elif name == "retire" and known:
                made, model = known[how[0] % len(known)]
                await retire(kernel, key_id, made)
                model.retired = True
            elif name == "wait":
                clock.advance(how[0])


async def use(
    kernel: Kernel,
    clock: ManualClock,
    key_id: KeyId,
    models: list[Model],
    times: int,
    context: dict[str, str],
) -> None:
    """Use the key so often at once; as many are released as the models allow together."""
    allowing = [model for model in models if model.allows(clock.time(), context, 1)]
    free = any(model.left is None for model in allowing)
    left = sum(model.left or 0 for model in allowing)
    came_to = await asyncio.gather(*(tried(kernel, key_id, **context) for _ in range(times)))
    assert came_to.count("used") == (times if free else min(times, left))
    for _ in range(0 if free else min(times, left)):
        next(model for model in allowing if model.left).left -= 1  # type: ignore[operator]
