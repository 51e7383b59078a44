"""A changed policy file, under workers that share a journal: all follow, and none is behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.postgres import PostgresServer
from tests.support.server import Server, running
from tests.workers.crew import PLAIN, active_key, postgres_settings, until

OPEN = '@id("all") permit (principal, action, resource);\n'
CLOSED = OPEN + '@id("not-bob") forbid (principal == Human::"bob", action, resource);\n'


@pytest.fixture
def policed(tmp_path: Path, postgres_server: PostgresServer) -> Iterator[Server]:
    (tmp_path / "policies.cedar").write_text(OPEN)
    name = postgres_server.new_database()
    environment = postgres_settings(postgres_server.url(name), workers=3) | {
        "AEGIS_AUTHZ_KIND": "cedar",
        "AEGIS_AUTHZ_CEDAR_POLICY_FILE": str(tmp_path / "policies.cedar"),
    }
    with running(tmp_path / "data", **environment) as server:
        yield server
    postgres_server.drop_database(name)


def use(server: Server, key: str) -> int:
    """Encrypt as bob, over a connection of its own, so that any worker may answer."""
    url, bob = f"{server.url}/v1/keys/{key}/encrypt", {"X-Aegis-User": "bob"}
    return httpx.post(url, json=PLAIN, headers=bob).status_code


def test_from_the_first_refusal_on_no_worker_lets_him_in(policed: Server, tmp_path: Path) -> None:
    key = active_key(policed.url)
    assert {use(policed, key) for _ in range(12)} == {200}
    (tmp_path / "policies.cedar").write_text(CLOSED)
    until(lambda: use(policed, key) == 403)
    assert {use(policed, key) for _ in range(60)} == {403}
    until(lambda: sum('"PolicyActivated"' in line for line in policed.audit_lines) == 2)
