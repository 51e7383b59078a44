"""Many requests of one operation under one key: decided once, carried out one by one, committed once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from aegis_kernel.domain.audit import SUCCESS
from aegis_kernel.domain.errors import AegisError, InternalError
from aegis_kernel.domain.key import Key
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect, Ended

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench

MAX_ITEMS = 500

# How long a batch may keep the event loop to itself.
SLICE_SECONDS = 0.001

# How many small items are encrypted or decrypted together in that time.
TOGETHER = 125

_log = logging.getLogger("aegis")


class Batch(msgspec.Struct, frozen=True):
    """The requests of a batch, in order. It is what an authorizer sees as the request."""

    items: tuple[Any, ...]


class BatchAnswer(msgspec.Struct, frozen=True):
    """For each request, in order, its answer or the error that it alone came to."""

    items: tuple[Any | AegisError, ...]


# Acts for several items, where that is cheaper than one by one.
ActTogether = Callable[["Bench", Caller, Key | None, Sequence[Any]], Awaitable[list[Ended]]]


def in_batch(
    single: Declaration[Any, Any], together: ActTogether | None = None
) -> Declaration[Batch, BatchAnswer]:
    """Return the declaration that carries out `single` for each item of a Batch."""
    some, size = (together, TOGETHER) if together else (_one_by_one(single), 1)

    async def act(bench: Bench, caller: Caller, key: Key | None, request: Batch) -> Effect:
        ended: list[Ended] = []
        turn_ends = bench.monotonic() + SLICE_SECONDS
        for start in range(0, len(request.items), size):
            ended += await some(bench, caller, key, request.items[start : start + size])
            if bench.monotonic() >= turn_ends:
                await asyncio.sleep(0)
                turn_ends = bench.monotonic() + SLICE_SECONDS
        return _together(ended)

    return Declaration(single.name, act, costly=True)


def _one_by_one(single: Declaration[Any, Any]) -> ActTogether:
    async def act(
        bench: Bench, caller: Caller, key: Key | None, requests: Sequence[Any]
    ) -> list[Ended]:
        return [await _act_on_one(single, bench, caller, key, request) for request in requests]

    return act


async def _act_on_one(
    single: Declaration[Any, Any], bench: Bench, caller: Caller, key: Key | None, request: Any
) -> Ended:
    try:
        return await single.act(bench, caller, key, request)
    except AegisError as error:
        return error
    except Exception as error:  # noqa: BLE001 - as in the pipeline: one item fails, not the others
        _log.exception("an item of %s failed, request %s", single.name, caller.request_id)
        return InternalError("Unexpected error", reason=type(error).__name__)


def _together(ended: Sequence[Ended]) -> Effect:
    """Return one effect: a record that counts the successes, and one for each that was none."""
    effects = [_told(each) for each in ended]
    good = [effect for effect in effects if effect.outcome == SUCCESS]
    records = [effect for effect in effects if effect.outcome != SUCCESS]
    if good:
        counted = Effect(
            key_version=_common([effect.key_version for effect in good]),
            alg=_common([effect.alg for effect in good]),
            count=len(good),
        )
        records.insert(0, counted)
    answers = tuple(each.answer if isinstance(each, Effect) else each for each in ended)
    return replace(
        records[0],
        answer=BatchAnswer(answers),
        further=tuple(records[1:]),
        item_outcomes=(SUCCESS,) * len(good)
        + tuple(effect.outcome for effect in effects if effect.outcome != SUCCESS),
    )


def _told(each: Ended) -> Effect:
    if isinstance(each, AegisError):
        return Effect(outcome=each.code, reason=each.reason)
    return each


def _common(values: Sequence[Any]) -> Any:
    """Return what all have in common, or None."""
    return values[0] if len(set(values)) == 1 else None
