"""The canonical bytes of an encryption context: exact, order-free, injective, bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis_kernel.domain.context import MAX_PAIRS, canonical_bytes
from aegis_kernel.domain.errors import BadRequestError

contexts = st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=4)


@given(contexts, contexts)
def test_bytes_are_equal_exactly_when_contexts_are(
    one: dict[str, str], other: dict[str, str]
) -> None:
    assert (canonical_bytes(one) == canonical_bytes(other)) == (one == other)


@given(contexts)
def test_order_does_not_matter(context: dict[str, str]) -> None:
    assert canonical_bytes(dict(reversed(context.items()))) == canonical_bytes(context)


def test_absent_is_empty() -> None:
    assert canonical_bytes(None) == canonical_bytes({}) == b"aegis-ctx-v1\x00\x00\x00\x00\x00"


def test_the_encoding_is_frozen() -> None:
    assert canonical_bytes({"tenant": "acme", "dataset": "q2"}).hex() == (
        "61656769732d6374782d763100"
        "00000002"
        "00000007" "64617461736574" "00000002" "7132"
        "00000006" "74656e616e74" "00000004" "61636d65"
    )  # fmt: skip


def test_nothing_is_normalised() -> None:
    assert canonical_bytes({"k": "\u00e9"}) != canonical_bytes({"k": "e\u0301"})
    assert canonical_bytes({"k": "A"}) != canonical_bytes({"k": "a"})


def test_pairs_that_a_naive_join_would_confuse_are_kept_apart() -> None:
    assert canonical_bytes({"a": "b,c=d"}) != canonical_bytes({"a": "b", "c": "d"})


@pytest.mark.parametrize(
    "context",
    [
        {str(n): "" for n in range(MAX_PAIRS + 1)},
        {"k": "x" * 8192},
        {"k": "\ud800"},
    ],
)
def test_what_is_too_large_or_no_text_is_refused(context: dict[str, str]) -> None:
    with pytest.raises(BadRequestError):
        canonical_bytes(context)
