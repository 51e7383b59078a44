"""Bugs of overload: nothing is bounded, or all slow work shares one lane."""

from __future__ import annotations

from functools import partial

from aegis_kernel.engine import commit
from aegis_kernel.engine.executor import BoundedExecutor
from aegis_kernel.rest import app, edge

_MANY = 10**9


def nothing_is_bounded() -> None:
    """Let everybody in, and let them wait for as long as it takes."""
    app.Limits = partial(  # type: ignore[misc]
        edge.Limits, requests_in_flight=_MANY, requests_at_work=_MANY
    )
    commit.WAIT_SECONDS = float(_MANY)
    commit.MAX_WAITING = _MANY


def one_lane() -> None:
    """Have signatures wait in line with keys that are being made."""
    BoundedExecutor.run_long = BoundedExecutor.run  # type: ignore[method-assign]
