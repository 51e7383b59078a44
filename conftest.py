"""What every test may ask for: a real Postgres; and programs of the machine.

In CI all tests that need a program run, elsewhere those it can run.

In CI a skipped test is a failed one: what is not looked at is not shown.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator

import pytest

from tests.support.postgres import PostgresServer

pytest_plugins = ["tests.faults.report"]

PROGRAMS = {"browser": "chromium", "node": "npm", "promtool": "promtool", "strace": "strace"}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for marker, program in _missing().items():
        terminalreporter.write_line(f"left out, {program} is not installed: tests marked {marker}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = _missing()
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in missing)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, and in CI nothing is"
    return report


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A Postgres of this session; a test that stops or breaks one makes its own."""
    server = PostgresServer.fresh()
    yield server
    server.remove()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database."""
    name = postgres_server.new_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


def _missing() -> dict[str, str]:
    if os.environ.get("CI"):
        return {}
    return {marker: program for marker, program in PROGRAMS.items() if not shutil.which(program)}
