"""Ten thousand keys cost what ten cost: at boot, in memory, for an operation and for a list.

Ratios inside one run, with room for a busy machine: what grows with the number of keys grows a
thousandfold here. They are of processor time, for Postgres of the clock on the wall.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.scale import LISTS, Report, report_on, table
from tests.support.postgres import PostgresServer

FEW, MANY = 10, 10_000
JOURNALS = "sqlite", "postgres"


@pytest.fixture(scope="module", params=JOURNALS)
def reports(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[int, Report]]:
    home: Path = tmp_path_factory.mktemp("stores")
    databases = {keys: postgres_server.new_database() for keys in (FEW, MANY)}
    urls = {
        keys: postgres_server.url(name) if request.param == "postgres" else None
        for keys, name in databases.items()
    }
    yield {keys: report_on(home / str(keys), keys, 1000, urls[keys]) for keys in (FEW, MANY)}
    for name in databases.values():
        postgres_server.drop_database(name)


def test_the_boot_is_flat_in_time_and_memory(reports: dict[int, Report]) -> None:
    for name in ("boot, processor s", "server after boot, MiB", "memory after boot, MiB"):
        assert_flat(reports, name, ratio=1.5)


def test_an_operation_is_flat(reports: dict[int, Report]) -> None:
    assert_flat(reports, "encrypt, keys in use, µs", ratio=2)
    # The few are in use after the first round, so this compares with what a first use costs.
    assert_flat(reports, "encrypt, a key not used before, µs", ratio=3)


def test_memory_grows_by_what_is_cached_alone(reports: dict[int, Report]) -> None:
    grown = reports[MANY]["memory after load, MiB"] - reports[FEW]["memory after load, MiB"]
    assert grown < 40


def test_a_list_costs_as_much_as_it_shows(reports: dict[int, Report]) -> None:
    names = [name for name in reports[MANY] if name.startswith("list: ") and "500" not in name]
    assert len(names) == len(LISTS) - 1 + 4
    assert {n: reports[MANY][n] for n in names if reports[MANY][n] > 30} == {}


def test_what_the_kernel_looks_for_by_itself_is_flat(reports: dict[int, Report]) -> None:
    for name in ("sweep of what is due, ms", "rotations due, ms", "key set, ms"):
        assert reports[MANY][name] < reports[FEW][name] + 10


def test_the_report_is_a_table_of_all_figures(reports: dict[int, Report]) -> None:
    assert len(table(reports).splitlines()) == 2 + len(reports[FEW])


def assert_flat(reports: dict[int, Report], name: str, ratio: float) -> None:
    assert reports[MANY][name] < ratio * reports[FEW][name], table(reports)
