"""If-Match, idempotency keys and dry runs: one effect, exactly as asked for, and every try recorded."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec.structs import replace

from aegis_kernel.domain.errors import (
    AegisError,
    ConflictError,
    IdempotencyMismatchError,
    IllegalOperationError,
    KeyNotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
)
from aegis_kernel.domain.events import KeyActivated
from aegis_kernel.domain.key import KeyId, key_stream
from aegis_kernel.domain.lifecycle import KeyState, Operation
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, KeySpec
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations.declaration import Declaration, Effect, Terms
from aegis_kernel.engine.streams import View
from aegis_kernel.testing.doubles import ManualClock
from tests.support.kernel import ALICE, BOB, settings

SPEC = KeySpec(name="terms", algorithm=Algorithm.AES, size_bits=256)
NOBODY = KeyId("00000000-0000-4000-8000-000000000000")


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[Kernel]:
    async with Kernel(settings(tmp_path)) as running:
        yield running


async def create(kernel: Kernel, **terms: Any) -> m.KeyAnswer:
    return await kernel.pipeline.run(
        op.CREATE, ALICE, m.CreateKey(spec=SPEC), None, Terms(**terms) if terms else None
    )


async def active_key(kernel: Kernel) -> KeyId:
    created = await create(kernel)
    await kernel.pipeline.run(op.ACTIVATE, ALICE, m.Transition(), created.key.id)
    return created.key.id


async def records(kernel: Kernel, key_id: KeyId | None = None) -> list[dict[str, Any]]:
    page = await kernel.providers.journal.ledger(0, 5000)
    rows: list[dict[str, Any]] = [json.loads(record.body) for record in page]
    return [row for row in rows if key_id is None or row.get("keyId") == key_id]


async def events(kernel: Kernel, key_id: KeyId) -> int:
    return len(await kernel.providers.journal.history(key_stream(key_id)))


# ---- If-Match -----------------------------------------------------------------------------------


async def test_a_change_goes_through_while_the_key_stands_where_the_caller_saw_it(
    kernel: Kernel,
) -> None:
    created = await create(kernel)
    answer = await kernel.pipeline.run(
        op.ACTIVATE, ALICE, m.Transition(), created.key.id, Terms(sequence=created.sequence)
    )
    assert answer.sequence == created.sequence + 1


@pytest.mark.parametrize("sequence", [0, 1, 3])
async def test_any_other_sequence_is_refused_and_recorded(kernel: Kernel, sequence: int) -> None:
    key_id = await active_key(kernel)
    with pytest.raises(PreconditionFailedError):
        await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id, Terms(sequence=sequence))
    assert await events(kernel, key_id) == 2
    last = (await records(kernel, key_id))[-1]
    assert (last["op"], last["outcome"]) == ("Rotate", "PreconditionFailed")


async def test_of_64_rotations_at_one_sequence_exactly_one_wins(kernel: Kernel) -> None:
    key_id = await active_key(kernel)
    outcomes = await asyncio.gather(
        *(
            kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id, Terms(sequence=2))
            for _ in range(64)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, m.KeyAnswer) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, PreconditionFailedError) for outcome in outcomes) == 63
    assert await events(kernel, key_id) == 3


async def test_a_precondition_refused_on_a_stale_view_is_not_released(kernel: Kernel) -> None:
    key_id = await active_key(kernel)
    streams = kernel.pipeline._streams
    stale = await streams.view(key_id)
    await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id)
    streams.put(View(stale.stream, stale.sequence, stale.key))
    answer = await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id, Terms(sequence=3))
    assert answer.key.current_version == 3


async def test_a_precondition_tells_a_stranger_nothing(kernel: Kernel) -> None:
    key_id = await active_key(kernel)
    with pytest.raises(PermissionDeniedError):
        await kernel.pipeline.run(op.ROTATE, BOB, m.Rotate(), key_id, Terms(sequence=9))


# ---- Idempotency-Key ----------------------------------------------------------------------------

TRANSITIONS: dict[str, tuple[Any, Any]] = {
    "activate": (op.ACTIVATE, m.Transition("go")),
    "compromise": (op.COMPROMISE, m.Compromise("leaked")),
    "disable": (op.DISABLE, m.Transition()),
    "schedule": (op.SCHEDULE_DESTRUCTION, m.ScheduleDestruction(9)),
}


@pytest.mark.parametrize(("declaration", "request_"), TRANSITIONS.values(), ids=TRANSITIONS)
async def test_a_replay_has_the_same_answer_and_no_second_effect(
    kernel: Kernel, declaration: Any, request_: Any
) -> None:
    key_id = (await create(kernel)).key.id
    terms = Terms(idempotency_key="k", sequence=1)
    first = await kernel.pipeline.run(declaration, ALICE, request_, key_id, terms)
    again = await kernel.pipeline.run(declaration, ALICE, request_, key_id, terms)
    assert again == first
    assert await events(kernel, key_id) == 2
    done, replayed = (await records(kernel, key_id))[-2:]
    assert (replayed["op"], replayed["outcome"]) == (done["op"], "Success")
    assert (replayed["mode"], replayed["reason"]) == ("Replay", "idempotent replay")
    assert "mode" not in done


async def test_one_create_for_many_at_once(kernel: Kernel) -> None:
    answers = await asyncio.gather(*(create(kernel, idempotency_key="once") for _ in range(32)))
    assert len({answer.key.id for answer in answers}) == 1
    rows = [row for row in await records(kernel) if row["op"] == "KeyCreated"]
    assert {row["keyId"] for row in rows} == {answers[0].key.id}
    assert sum("mode" not in row for row in rows) == 1
    assert len(rows) == 32


async def test_other_keys_callers_and_operations_are_other_scopes(kernel: Kernel) -> None:
    terms = Terms(idempotency_key="k")
    ids = {(await create(kernel, idempotency_key=key)).key.id for key in ("a", "b")}
    assert len(ids) == 2
    bobs = await kernel.pipeline.run(op.CREATE, BOB, m.CreateKey(spec=SPEC), None, terms)
    alices = await create(kernel, idempotency_key="k")
    assert bobs.key.id != alices.key.id
    for key_id in ids:
        for declaration in (op.ACTIVATE, op.DEACTIVATE):
            answer = await kernel.pipeline.run(declaration, ALICE, m.Transition(), key_id, terms)
            assert answer.key.id == key_id
        assert await events(kernel, key_id) == 3


async def test_another_request_under_the_same_key_is_refused(kernel: Kernel) -> None:
    await create(kernel, idempotency_key="k")
    other = m.CreateKey(spec=replace(SPEC, name="other"))
    with pytest.raises(IdempotencyMismatchError):
        await kernel.pipeline.run(op.CREATE, ALICE, other, None, Terms(idempotency_key="k"))
    assert (await records(kernel))[-1]["outcome"] == "IdempotencyMismatch"


async def test_only_a_success_is_kept(kernel: Kernel) -> None:
    key_id = (await create(kernel)).key.id
    terms = Terms(idempotency_key="k")
    with pytest.raises(IllegalOperationError):
        await kernel.pipeline.run(op.DEACTIVATE, ALICE, m.Transition(), key_id, terms)
    await kernel.pipeline.run(op.ACTIVATE, ALICE, m.Transition(), key_id)
    answer = await kernel.pipeline.run(op.DEACTIVATE, ALICE, m.Transition(), key_id, terms)
    assert answer.key.state is KeyState.DEACTIVATED


async def test_a_replay_is_authorized_again(kernel: Kernel) -> None:
    created = await kernel.pipeline.run(op.CREATE, BOB, m.CreateKey(spec=SPEC))
    terms = Terms(idempotency_key="k")
    await kernel.pipeline.run(op.ACTIVATE, ALICE, m.Transition(), created.key.id, terms)
    principal = replace(ALICE.principal, groups=frozenset())
    with pytest.raises(PermissionDeniedError):
        await kernel.pipeline.run(
            op.ACTIVATE, replace(ALICE, principal=principal), m.Transition(), created.key.id, terms
        )


async def test_an_answer_outlives_a_restart_and_ends_after_a_day(tmp_path: Path) -> None:
    clock = ManualClock()
    chosen = settings(tmp_path, AEGIS_JOURNAL_KIND="sqlite")
    async with Kernel(chosen, clock) as kernel:
        first = await create(kernel, idempotency_key="k")
    async with Kernel(chosen, clock) as kernel:
        assert await create(kernel, idempotency_key="k") == first
        clock.advance(24 * 3600 + 1)
        assert (await create(kernel, idempotency_key="k")).key.id != first.key.id


async def test_a_secret_in_an_answer_is_told_once_only(kernel: Kernel) -> None:
    async def act(bench: Any, caller: Any, key: Any, request: Any) -> Effect:
        told = m.Decrypted(Secret(b"told once"), "None", 1)
        return Effect(answer=told, events=(KeyActivated(at=bench.now()),))

    telling: Declaration[Any, Any] = Declaration(
        Operation.ACTIVATE, act, changes=True, answers_with=m.Decrypted
    )
    key_id = (await create(kernel)).key.id
    terms = Terms(idempotency_key="k")
    first = await kernel.pipeline.run(telling, ALICE, m.Transition(), key_id, terms)
    assert first.plaintext == Secret(b"told once")
    with pytest.raises(ConflictError, match=key_id):
        await kernel.pipeline.run(telling, ALICE, m.Transition(), key_id, terms)


async def test_the_row_gives_away_neither_request_nor_key(kernel: Kernel) -> None:
    await create(kernel, idempotency_key="my-own-key")
    (row,) = kernel.providers.journal._store._rows.values()  # type: ignore[attr-defined]
    shown = repr(row)
    assert "my-own-key" not in shown
    assert "alice" not in row.scope
    assert len(row.scope) == 64
    assert row.digest.hex() != row.scope


STEP = st.tuples(st.sampled_from(["activate", "disable", "enable", "rotate"]), st.integers(0, 3))


@hypothesis_settings(max_examples=40, deadline=None)
@given(steps=st.lists(STEP, min_size=1, max_size=14))
def test_replays_at_random_points_have_one_effect_and_one_answer(
    steps: list[tuple[str, int]],
) -> None:
    asyncio.run(_replay(steps))


async def _replay(steps: list[tuple[str, int]]) -> None:
    requests: dict[str, tuple[Any, Any]] = {
        "activate": (op.ACTIVATE, m.Transition()),
        "disable": (op.DISABLE, m.Transition()),
        "enable": (op.ENABLE, m.Transition()),
        "rotate": (op.ROTATE, m.Rotate()),
    }
    with tempfile.TemporaryDirectory() as folder:
        async with Kernel(settings(Path(folder))) as kernel:
            key_id = (await create(kernel)).key.id
            told: dict[tuple[str, int], Any] = {}
            effects = 1
            for step in steps:
                declaration, request = requests[step[0]]
                terms = Terms(idempotency_key=f"{step[1]}")
                try:
                    answer = await kernel.pipeline.run(declaration, ALICE, request, key_id, terms)
                except IllegalOperationError:
                    assert step not in told
                    continue
                effects += step not in told
                assert told.setdefault(step, answer) == answer
                assert await events(kernel, key_id) == effects


# ---- dry runs -----------------------------------------------------------------------------------

DRY: dict[str, tuple[Any, Any]] = {
    **TRANSITIONS,
    "rotate": (op.ROTATE, m.Rotate()),
    "encrypt": (op.ENCRYPT, m.Encrypt(Secret(b"x"))),
    "get": (op.GET, m.GetKey()),
}


async def refused(
    kernel: Kernel, declaration: Any, request: Any, key_id: KeyId
) -> AegisError | None:
    try:
        await kernel.pipeline.run(declaration, ALICE, request, key_id)
    except AegisError as error:
        return error
    return None


@pytest.mark.parametrize(("declaration", "request_"), DRY.values(), ids=DRY)
async def test_a_dry_run_says_what_a_run_would_and_does_nothing(
    kernel: Kernel, declaration: Any, request_: Any
) -> None:
    for key_id in (await active_key(kernel), (await create(kernel)).key.id):
        before = await events(kernel, key_id)
        allowance = await kernel.pipeline.try_out(declaration, ALICE, request_, key_id)
        last = (await records(kernel, key_id))[-1]
        assert last["mode"] == "DryRun"
        assert await events(kernel, key_id) == before
        refusal = await refused(kernel, declaration, request_, key_id)
        assert allowance.allowed is (refusal is None)
        assert "severity" not in last
        if refusal is None:
            assert "key state=" in allowance.reason
            assert last["outcome"] == "Success"
        else:
            assert allowance.reason == refusal.message
            assert last["outcome"] == refusal.code


async def test_a_dry_run_makes_no_key(kernel: Kernel) -> None:
    allowance = await kernel.pipeline.try_out(op.CREATE, BOB, m.CreateKey(spec=SPEC))
    assert allowance.allowed
    (row,) = await records(kernel)
    assert (row["op"], row["mode"], row.get("keyId")) == ("KeyCreated", "DryRun", None)


async def test_a_dry_run_names_what_refuses(kernel: Kernel) -> None:
    key_id = await active_key(kernel)
    encrypt = m.Encrypt(Secret(b"x"))
    stranger = await kernel.pipeline.try_out(op.ENCRYPT, BOB, encrypt, key_id)
    assert not stranger.allowed
    assert "bob is not permitted" in stranger.reason
    moved = await kernel.pipeline.try_out(
        op.ROTATE, ALICE, m.Rotate(), key_id, Terms(sequence=1, idempotency_key="k")
    )
    assert not moved.allowed
    assert "has changed" in moved.reason
    with pytest.raises(KeyNotFoundError):
        await kernel.pipeline.try_out(op.ENCRYPT, ALICE, encrypt, NOBODY)
    assert (await records(kernel, NOBODY))[-1]["mode"] == "DryRun"
