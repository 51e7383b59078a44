"""Every published vector through our own code: what must fail fails, what is valid is accepted."""

from __future__ import annotations

from fnmatch import fnmatchcase
from importlib.metadata import version

import cryptography_vectors
import pytest

from tests.architecture.source import ROOT
from tests.vectors.case import Case, judge
from tests.vectors.differences import LEFT_OUT, REFUSED
from tests.vectors.measure import tally_of, total
from tests.vectors.page import page
from tests.vectors.plan import FILES, NOT_APPLICABLE, READERS, published


@pytest.mark.parametrize("name", FILES)
def test_a_published_file_is_judged_as_its_publisher_does(name: str) -> None:
    tally = tally_of(name)
    assert tally.vectors > 0
    assert tally.false_accepts == []
    assert tally.false_refusals == []


def test_every_file_is_read_or_said_not_to_be() -> None:
    unread = [name for name in published() if name not in FILES]
    known = [p for p in NOT_APPLICABLE if any(fnmatchcase(name, p) for name in unread)]
    assert [n for n in unread if not any(fnmatchcase(n, p) for p in NOT_APPLICABLE)] == []
    assert known == list(NOT_APPLICABLE), "a reason that no file needs"
    assert [p for p in READERS if not any(fnmatchcase(name, p) for name in FILES)] == []


def test_every_difference_is_named_and_no_name_is_stale() -> None:
    cases = [case for name, read in FILES.items() for case in read(name)]
    assert {case.difference for case in cases} - {None} == set(REFUSED)
    assert {case.left_out for case in cases} - {None} == set(LEFT_OUT)


def test_there_are_enough_vectors_to_speak_of() -> None:
    whole = total()
    assert whole.must_fail > 5_000
    assert whole.accepted > 15_000
    assert whole.derived > 10_000


def test_a_wrong_verdict_is_counted() -> None:
    def fall_over() -> bool:
        raise ZeroDivisionError

    cases = [
        Case(kind="accepted", valid=False, accepts=lambda: True),
        Case(kind="refused", valid=True, accepts=lambda: False),
        Case(kind="accepted on purpose", valid=True, accepts=lambda: True, difference="hash"),
        Case(kind="fell over", valid=False, accepts=fall_over),
        Case(kind="right", valid=True, accepts=lambda: True),
    ]
    tally = judge(cases)
    assert tally.false_accepts == ["0 accepted", "2 accepted on purpose"]
    assert tally.false_refusals == ["1 refused", "3 fell over raised"]
    assert tally.vectors == 5


def test_the_vectors_are_those_of_the_library_that_is_used() -> None:
    assert cryptography_vectors.__version__ == version("cryptography")


def test_the_page_says_what_was_measured() -> None:
    assert (ROOT / "docs" / "vectors.md").read_text(encoding="utf-8") == page(), "run `make docs`"
