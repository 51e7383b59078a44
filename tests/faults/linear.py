"""Is a history of one key one that the law allows? The search of Wing and Gong, with Lowe's memory.

A history is linearizable when each operation can be given one moment between its request and its
answer, such that one after the other, in the order of these moments, they get these answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from aegis_kernel.domain.lifecycle import LAW, KeyState, Operation, Scheduled

REFUSED = "refused"
#: No answer: it may have happened at any time after it was asked for, or not at all.
UNKNOWN = "unknown"
#: An answer that no working server gives, such as a 500. What it asked for may have happened too.
FAILED = "failed"

_OPEN = (UNKNOWN, FAILED)


@dataclass(frozen=True, slots=True)
class Standing:
    """A key as far as the law looks at it here."""

    state: KeyState = KeyState.PRE_ACTIVE
    scheduled: bool = False
    version: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    """One request on the key; `told` is what its answer said, or one of the words above."""

    operation: Operation
    began: float
    ended: float
    told: Any


def obey(standing: Standing, operation: Operation) -> tuple[Standing, Any]:
    """Return how the key stands afterwards, and what the answer must say."""
    rule = LAW[operation]
    wanted = {Scheduled.NO: (False,), Scheduled.YES: (True,), Scheduled.EITHER: (False, True)}
    if standing.state not in rule.states or standing.scheduled not in wanted[rule.scheduled]:
        return standing, REFUSED
    after = _after(standing, operation)
    return after, _told(after, operation)


def _after(standing: Standing, operation: Operation) -> Standing:
    match operation:
        case Operation.ACTIVATE:
            return replace(standing, state=KeyState.ACTIVE)
        case Operation.ROTATE:
            return replace(standing, version=standing.version + 1)
        case Operation.COMPROMISE:
            return replace(standing, state=KeyState.COMPROMISED)
        case Operation.SCHEDULE_DESTRUCTION:
            was_active = standing.state is KeyState.ACTIVE
            state = KeyState.DEACTIVATED if was_active else standing.state
            return replace(standing, state=state, scheduled=True)
        case Operation.CANCEL_DESTRUCTION:
            return replace(standing, scheduled=False)
    return standing


def _told(after: Standing, operation: Operation) -> Any:
    if operation is Operation.GET:
        return after
    return after.version if operation in (Operation.ENCRYPT, Operation.ROTATE) else after.state


def unlawful(history: Sequence[Step], start: Standing) -> str | None:
    """Return None if the history is linearizable, else which operations no order explains."""
    steps = sorted(history, key=lambda step: step.began)
    ends = [inf if step.told in _OPEN else step.ended for step in steps]
    due = sum(1 << n for n, step in enumerate(steps) if step.told not in _OPEN)
    seen, furthest = set[tuple[int, Standing]](), 0
    open_ = [(0, start)]
    while open_:
        mask, standing = open_.pop()
        if mask & due == due:
            return None
        if (mask & due).bit_count() > (furthest & due).bit_count():
            furthest = mask
        for n in _next(steps, ends, mask):
            after, answer = obey(standing, steps[n].operation)
            reached = (mask | 1 << n, after)
            if steps[n].told in (*_OPEN, answer) and reached not in seen:
                seen.add(reached)
                open_.append(reached)
    stuck = [steps[n] for n in _next(steps, ends, furthest)]
    return f"no order explains {len(steps)} steps: after {furthest.bit_count()} of them none of {stuck} fits"


def _next(steps: Sequence[Step], ends: Sequence[float], mask: int) -> list[int]:
    """Return what can come next: all that began before any of the rest had its answer."""
    rest = [n for n in range(len(steps)) if not mask >> n & 1]
    first = min((ends[n] for n in rest), default=inf)
    return [n for n in rest if steps[n].began <= first]
