"""One server in hmac mode for all that is thrown at it; after each test it must be as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from tests.outside.judge import Judge
from tests.outside.secured import active_key, client, resident_mib, secured
from tests.support.server import Server

GROWTH_MIB = 50


@pytest.fixture(scope="session")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with secured(tmp_path_factory.mktemp("fuzzed") / "data") as server:
        yield server


@pytest.fixture
def target(fuzzed: Server) -> Iterator[Server]:
    """The server; afterwards: alive, well, no larger, and with nothing to say in its log."""
    log, before = fuzzed.log, resident_mib(fuzzed)
    yield fuzzed
    assert fuzzed.process.poll() is None
    with client(fuzzed) as http:
        assert http.get("/readyz").status_code == 200
        active_key(http)
    assert fuzzed.log == log
    grown = resident_mib(fuzzed) - before
    assert grown <= GROWTH_MIB
    print(f"memory grew by {grown:.1f} MiB")


@pytest.fixture
def judge(target: Server) -> Judge:
    with urlopen(f"{target.url}/docs/docs.json") as page:
        return Judge(json.load(page))
