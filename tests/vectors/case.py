"""A published test vector, what its publisher says of it, and what our code made of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

import msgspec

from aegis_kernel import AegisError

Result = TypeVar("Result")


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """`accepts` says whether our code takes the vector, or computes what it says.

    `valid` is the publisher's word; `difference` names why we refuse it nevertheless, `left_out` why
    it cannot even be asked (then there is no `accepts`). A `derived` case is a published one that
    was changed here.
    """

    kind: str
    valid: bool
    accepts: Callable[[], bool] | None = None
    difference: str | None = None
    left_out: str | None = None
    derived: bool = False

    @property
    def is_to_be_accepted(self) -> bool:
        return self.valid and self.difference is None


class Tally(msgspec.Struct):
    """Counts of published vectors; `derived` ones stand beside them. Wrong are all kinds of them."""

    vectors: int = 0
    accepted: int = 0
    must_fail: int = 0
    refused_on_purpose: int = 0
    left_out: int = 0
    derived: int = 0
    false_accepts: list[str] = msgspec.field(default_factory=list)
    false_refusals: list[str] = msgspec.field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take the counts of `other` too."""
        for field in self.__struct_fields__:
            setattr(self, field, getattr(self, field) + getattr(other, field))

    def __str__(self) -> str:
        return (
            f"{self.vectors} vectors: {self.accepted} accepted, {self.must_fail} must fail, "
            f"{self.refused_on_purpose} refused on purpose, {self.left_out} left out; "
            f"{self.derived} changed by us; {len(self.false_accepts)} false accepts, "
            f"{len(self.false_refusals)} false refusals"
        )


def left_out(kind: str, reason: str) -> Case:
    """Return a case that our code has no way to be asked about."""
    return Case(kind=f"{kind}, {reason}", valid=True, left_out=reason)


def judge(cases: Iterable[Case]) -> Tally:
    """Ask our code about every case."""
    tally = Tally()
    for number, case in enumerate(cases):
        _count(tally, case)
        if case.accepts is None:
            continue
        accepted = _ask(case.accepts)
        if accepted is not case.is_to_be_accepted:
            wrong = tally.false_accepts if accepted is True else tally.false_refusals
            wrong.append(f"{number} {case.kind}{'' if accepted is not None else ' raised'}")
    return tally


def at_once(work: Coroutine[Any, Any, Result]) -> Result:
    """Return the result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    raise AssertionError("it waits")


def _count(tally: Tally, case: Case) -> None:
    if case.derived:
        tally.derived += 1
        return
    tally.vectors += 1
    if case.left_out is not None:
        tally.left_out += 1
    elif not case.valid:
        tally.must_fail += 1
    elif case.difference is not None:
        tally.refused_on_purpose += 1
    else:
        tally.accepted += 1


def _ask(accepts: Callable[[], bool]) -> bool | None:
    """Return whether our code accepts, or None when it fell over: a refusal has a class of ours."""
    try:
        return accepts()
    except AegisError:
        return False
    except Exception:
        return None
