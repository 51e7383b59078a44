"""How long each protocol goes on, by which dice, and what it came to: a line each, and a page.

AEGIS_FAULTS=full chooses the full form, and writes the page; AEGIS_FAULT_SEED=N the dice.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import time
from pathlib import Path
from typing import Any, TypeVar

import pytest

PAGE = Path("build/faults.md")
SEED = "AEGIS_FAULT_SEED"
FORM = "AEGIS_FAULTS"

_PROPERTY = "fault"
_HEAD = """# The fault harness

| protocol | fault | counts | trials | bound on the rate of failure | seconds | seed | with its planted bug |
|---|---|---|---|---|---|---|---|
"""
_FOOT = """
No failure in n independent trials bounds the rate of failure at 3/n (with 95 % confidence).
A planted bug that the harness did not notice would have failed its own test.
"""

Number = TypeVar("Number", int, float)


class Faults:
    """What a protocol's test is given: bounds, dice, and a place for its result."""

    def __init__(self, properties: list[tuple[str, object]]) -> None:
        self.is_full = os.environ.get(FORM) == "full"
        self.seed = int(os.environ.get(SEED) or secrets.randbelow(10**6))
        self.dice = random.Random(self.seed)
        self._properties = properties
        self._began = time.monotonic()
        print(f"{SEED}={self.seed}")

    def of(self, short: Number, full: Number) -> Number:
        """Return the bound of this run's form."""
        return full if self.is_full else short

    def passed(self, protocol: str, fault: str, trials: int, **counts: int) -> None:
        """Say that it held, with what was counted: acknowledged, crashes, lost, unaudited …"""
        told = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items())
        self._tell(protocol=protocol, fault=fault, trials=trials, counts=told)

    def red(self, protocol: str, fault: str, bug: str, seen: str) -> None:
        """Say that the harness noticed the planted bug, and by what."""
        self._tell(protocol=protocol, fault=fault, bug=bug, seen=seen.splitlines()[0][:160])

    def _tell(self, **result: Any) -> None:
        seconds = round(time.monotonic() - self._began, 1)
        line = json.dumps(result | {"seed": self.seed, "seconds": seconds})
        self._properties.append((_PROPERTY, line))


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> Faults:
    """The knobs of this run, and where a protocol says what it came to."""
    properties: list[tuple[str, object]] = request.node.user_properties
    return Faults(properties)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    results = [
        json.loads(str(value))
        for report in terminalreporter.getreports("passed")
        if report.when == "call"
        for name, value in report.user_properties
        if name == _PROPERTY
    ]
    for result in results:
        terminalreporter.write_line(line_of(result))
    if results and os.environ.get(FORM) == "full":
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page_of(results))
        terminalreporter.write_line(f"written: {PAGE}")


def line_of(result: dict[str, Any]) -> str:
    """Return "R1 kill -9, sqlite: 512 acknowledged, 5 crashes, 0 lost, 0 unaudited, seed 7"."""
    what = result.get("counts") or f"red with the planted bug ({result['bug']}): {result['seen']}"
    return f"{result['protocol']} {result['fault']}: {what}, seed {result['seed']}"


def page_of(results: list[dict[str, Any]]) -> str:
    """Return the page: a row for each protocol that held, with what its planted bug came to."""
    red: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        if "bug" in result:
            red.setdefault(result["protocol"], []).append(result)
    return _HEAD + "".join(_row(r, red) for r in results if "counts" in r) + _FOOT


def _row(result: dict[str, Any], red: dict[str, list[dict[str, Any]]]) -> str:
    planted = "; ".join(
        f"{each['bug']}: red ({each['seen']})".replace("|", "/")
        for each in red.get(result["protocol"], [])
    )
    trials = result["trials"]
    cells = (
        result["protocol"],
        result["fault"],
        result["counts"],
        trials,
        f"0 in {trials}: below {3 / trials:.2%}" if trials > 3 else "too few trials",
        result["seconds"],
        result["seed"],
        planted or "not run",
    )
    return f"| {' | '.join(map(str, cells))} |\n"
