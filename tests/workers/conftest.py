"""Servers of several workers over one Postgres."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres import PostgresServer
from tests.support.server import Server, running
from tests.workers.crew import postgres_settings


@pytest.fixture(scope="module")
def crew(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[Server]:
    """A server of three workers, for all tests of a file."""
    data = tmp_path_factory.mktemp("crew") / "data"
    name = postgres_server.new_database()
    with running(data, **postgres_settings(postgres_server.url(name))) as server:
        yield server
    postgres_server.drop_database(name)
