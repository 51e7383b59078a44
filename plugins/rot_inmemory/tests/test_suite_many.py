"""Messages that share a salt: one salt a context and call, and never the same nonce under it."""

from __future__ import annotations

import os

import pytest
from aegis_rot_inmemory import suite, suite_many

from aegis_kernel import Secret

KEY, HEADER = bytes(range(32)), bytes(25)
A, B = b"context a", b"context b"


def sealed(count: int, *contexts: bytes) -> list[bytes]:
    items = [(Secret(b"x"), contexts[n % len(contexts)]) for n in range(count)]
    return suite_many.seal_many(KEY, HEADER, items)


def test_no_nonce_comes_twice_under_a_salt() -> None:
    places = [(body[:32], body[80:92]) for _ in range(3) for body in sealed(500, A, B)]
    assert len(set(places)) == 1500
    assert len({salt for salt, _ in places}) == 6


def test_two_contexts_never_share_a_salt() -> None:
    bodies = sealed(10, A, B)
    assert {body[:32] for body in bodies[::2]}.isdisjoint({body[:32] for body in bodies[1::2]})


def test_the_nonce_counts_round_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda size: b"\xff" * size)
    bodies = sealed(3, A)
    assert [body[80:92] for body in bodies] == [b"\xff" * 12, bytes(12), bytes(11) + b"\x01"]
    assert [suite.unseal(KEY, HEADER, body, A) for body in bodies] == [b"x"] * 3
