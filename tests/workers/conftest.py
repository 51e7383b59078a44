"""Servers of several workers over one Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import Server, running
from tests.workers.crew import postgres_settings


@pytest.fixture
def crew(tmp_path: Path, postgres: str) -> Iterator[Server]:
    """A server of three workers."""
    with running(tmp_path / "data", **postgres_settings(postgres)) as server:
        yield server
