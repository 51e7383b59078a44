"""A Secret shows itself to nobody who does not ask for it by name."""

from __future__ import annotations

import pickle

import pytest

from aegis_kernel.domain.secret import Secret

VALUE = b"correct horse battery staple"


def test_no_rendering_shows_the_bytes() -> None:
    secret = Secret(VALUE)
    for rendering in (repr(secret), str(secret), f"{secret}", f"{[secret]}", f"{ {'k': secret} }"):
        assert "correct" not in rendering
        assert VALUE.hex() not in rendering


def test_equality_is_by_value_and_never_by_hash() -> None:
    assert Secret(VALUE) == Secret(bytes(VALUE))
    assert Secret(VALUE) != Secret(VALUE + b"!")
    assert Secret(VALUE) != VALUE
    with pytest.raises(TypeError):
        hash(Secret(VALUE))


def test_it_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="not written"):
        pickle.dumps(Secret(VALUE))
