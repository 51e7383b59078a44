"""The search for a lawful order, on histories that are known to have one and to have none."""

from __future__ import annotations

import random

import pytest

from aegis_kernel.domain.lifecycle import KeyState, Operation
from tests.faults.linear import REFUSED, UNKNOWN, Standing, Step, obey, unlawful

ACTIVE = Standing(KeyState.ACTIVE)
COMPROMISED = KeyState.COMPROMISED


def use(began: float, ended: float, told: object) -> Step:
    return Step(Operation.ENCRYPT, began, ended, told)


def compromise(began: float, ended: float, told: object = COMPROMISED) -> Step:
    return Step(Operation.COMPROMISE, began, ended, told)


def rotate(began: float, ended: float, told: object) -> Step:
    return Step(Operation.ROTATE, began, ended, told)


def test_it_allows_a_use_during_the_compromise_either_way() -> None:
    for told in (1, REFUSED):
        assert unlawful([compromise(1, 4), use(2, 5, told)], ACTIVE) is None


def test_it_refuses_a_use_that_began_after_the_compromise() -> None:
    assert unlawful([compromise(1, 2), use(3, 4, 1)], ACTIVE)


def test_it_refuses_a_refusal_without_a_cause() -> None:
    assert unlawful([use(1, 2, REFUSED), compromise(3, 4)], ACTIVE)


def test_it_refuses_two_rotations_that_made_the_same_version() -> None:
    assert unlawful([rotate(1, 3, 2), rotate(2, 4, 3)], ACTIVE) is None
    assert unlawful([rotate(1, 3, 3), rotate(2, 4, 2)], ACTIVE) is None
    assert unlawful([rotate(1, 3, 2), rotate(2, 4, 2)], ACTIVE)
    assert unlawful([rotate(1, 3, 2), rotate(2, 4, 4)], ACTIVE)


def test_it_refuses_to_see_a_change_and_then_the_time_before_it() -> None:
    seen = [rotate(1, 9, 2), use(2, 3, 2), use(4, 5, 1)]
    assert unlawful(seen, ACTIVE)
    assert unlawful([seen[0], use(2, 3, 1), use(4, 5, 2)], ACTIVE) is None


def test_what_had_no_answer_may_happen_late_or_never() -> None:
    cut = compromise(1, 2, UNKNOWN)
    assert unlawful([cut, use(3, 4, 1), use(5, 6, REFUSED)], ACTIVE) is None
    assert unlawful([cut, use(3, 4, 1)], ACTIVE) is None
    assert unlawful([cut, use(3, 4, REFUSED), use(5, 6, 1)], ACTIVE)
    assert unlawful([use(0, 0.5, REFUSED), cut], ACTIVE)


@pytest.mark.parametrize("seed", range(20))
def test_it_explains_what_really_was_one_after_the_other(seed: int) -> None:
    dice, standing, history = random.Random(seed), Standing(), []
    early = [Operation.ACTIVATE, Operation.ROTATE, Operation.ENCRYPT, Operation.GET]
    late = [Operation.SCHEDULE_DESTRUCTION, Operation.CANCEL_DESTRUCTION, *early]
    for moment in range(60):
        operation = dice.choice(early if moment < 40 else late)
        standing, told = obey(standing, operation)
        # Eight at a time: each is stretched around the moment at which it happened.
        began, ended = moment - dice.uniform(0, 4), moment + dice.uniform(0, 4)
        history.append(Step(operation, began, ended, told))
    assert unlawful(history, Standing()) is None
    told_wrongly = [s for s in history if s.operation is Operation.ROTATE and s.told != REFUSED]
    history[history.index(told_wrongly[-1])] = Step(Operation.ROTATE, -9, 99, 1)
    assert unlawful(history, Standing())
