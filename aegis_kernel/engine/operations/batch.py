"""Many requests of one operation under one key: decided once, carried out one by one, committed once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from aegis_kernel.domain.audit import SUCCESS
from aegis_kernel.domain.errors import AegisError, InternalError
from aegis_kernel.domain.key import Key
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench

MAX_ITEMS = 500

# How long a batch may keep the event loop to itself.
SLICE_SECONDS = 0.001

_log = logging.getLogger("aegis")


class Batch(msgspec.Struct, frozen=True):
    """The requests of a batch, in order. It is what an authorizer sees as the request."""

    items: tuple[Any, ...]


class BatchAnswer(msgspec.Struct, frozen=True):
    """For each request, in order, its answer or the error that it alone came to."""

    items: tuple[Any | AegisError, ...]


def in_batch(single: Declaration[Any, Any]) -> Declaration[Batch, BatchAnswer]:
    """Return the declaration that carries out `single` for each item of a Batch."""

    async def act(bench: Bench, caller: Caller, key: Key | None, request: Batch) -> Effect:
        return _together(await _act_on_all(single, bench, caller, key, request.items))

    return Declaration(single.name, act, costly=True)


async def _act_on_all(
    single: Declaration[Any, Any],
    bench: Bench,
    caller: Caller,
    key: Key | None,
    requests: Sequence[Any],
) -> list[Effect | AegisError]:
    ended: list[Effect | AegisError] = []
    turn_ends = bench.monotonic() + SLICE_SECONDS
    for request in requests:
        ended.append(await _act_on_one(single, bench, caller, key, request))
        if bench.monotonic() >= turn_ends:
            await asyncio.sleep(0)
            turn_ends = bench.monotonic() + SLICE_SECONDS
    return ended


async def _act_on_one(
    single: Declaration[Any, Any], bench: Bench, caller: Caller, key: Key | None, request: Any
) -> Effect | AegisError:
    try:
        return await single.act(bench, caller, key, request)
    except AegisError as error:
        return error
    except Exception as error:  # noqa: BLE001 - as in the pipeline: one item fails, not the others
        _log.exception("an item of %s failed, request %s", single.name, caller.request_id)
        return InternalError("Unexpected error", reason=type(error).__name__)


def _together(ended: Sequence[Effect | AegisError]) -> Effect:
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


def _told(each: Effect | AegisError) -> Effect:
    if isinstance(each, AegisError):
        return Effect(outcome=each.code, reason=each.reason)
    return each


def _common(values: Sequence[Any]) -> Any:
    """Return what all have in common, or None."""
    return values[0] if len(set(values)) == 1 else None
