"""The tables of docs/operations/capacity.md, computed from the measurements."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from benchmarks.measurements import Measurements
from benchmarks.simulation import Outcome, Plan, simulate

PAGE = Path(__file__).parents[1] / "docs" / "operations" / "capacity.md"

DAY = 86_400
RATES = (10, 100, 1_000, 5_000, 20_000)
FLEETS = ((1, 1), (1, 2), (1, 4), (2, 4), (4, 4), (8, 4))
HOST_CORES, POSTGRES_CORES = 4, 8
CLIENTS = 32
HOT = (0.0, 0.001, 0.01)

_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str, measured: Measurements) -> str:
    """Return the page with every table between its marks computed anew."""
    made = tables(measured)
    return _BLOCK.sub(lambda found: f"{found[1]}{made[found[2]]}\n{found[3]}", text)


def tables(measured: Measurements) -> dict[str, str]:
    """Return every table of the page by its name."""
    return {
        "conditions": _conditions(measured),
        "commits": _commits(measured),
        "operations": _operations(measured),
        "rows": _rows(measured),
        "fleets": _fleets(measured),
        "limit": _limit(measured),
        "hot": _hot(measured),
        "check": _check(measured),
    }


def predicted(measured: Measurements, workers: int, foreign_cores: float) -> Outcome:
    """Return the simulation of a real run: all parts on this machine, beside what else ran there."""
    cores = max(measured.cores - foreign_cores, 0.25)
    plan = Plan(
        hosts=1,
        workers=workers,
        clients=CLIENTS,
        host_cores=cores,
        postgres_cores=cores,
        together=True,
    )
    return simulate(plan, measured.costs)


def _conditions(measured: Measurements) -> str:
    foreign = [run.foreign_cores for run in measured.runs]
    return (
        f"Measured on one machine with {measured.cores} cores ({measured.machine}), which carried servers, Postgres and"
        f" clients together;\nmedians of {measured.rounds} rounds; other processes took"
        f" {min(foreign):.1f} to {max(foreign):.1f} cores meanwhile."
    )


def _commits(measured: Measurements) -> str:
    rows = [
        (
            each.records,
            _n(each.processor_us),
            _n(each.processor_us / each.records),
            _n(each.wall_us),
        )
        for each in measured.commits
    ]
    return _table(("records a commit", "Postgres, µs", "µs a record", "until durable, µs"), rows)


def _operations(measured: Measurements) -> str:
    rows = [
        (run.workers, _n(run.server_us), _n(run.postgres_us), f"{run.batch:.1f}")
        for run in measured.runs
    ]
    heads = ("workers", "worker, µs an operation", "Postgres, µs an operation", "records a commit")
    return _table(heads, rows)


def _rows(measured: Measurements) -> str:
    rows = [
        (
            _n(rate),
            _n(rate * DAY),
            _gib(rate * DAY * measured.bytes_a_record),
            _gib(rate * DAY * 30 * measured.bytes_a_record),
            _gib(rate * DAY * measured.log_bytes_a_record),
        )
        for rate in RATES
    ]
    heads = (
        "operations/s",
        "rows a day",
        "ledger a day",
        "ledger in 30 days",
        "write-ahead log a day",
    )
    said = (
        f"A record takes {_n(measured.bytes_a_record)} bytes with its indexes, and"
        f" {_n(measured.log_bytes_a_record)} bytes of write-ahead log; a new key's stream"
        f" {_n(measured.bytes_a_change)} bytes."
    )
    return f"{said}\n\n{_table(heads, rows)}"


def _fleets(measured: Measurements) -> str:
    rows = []
    for hosts, workers in FLEETS:
        outcome = simulate(_plan(hosts, workers), measured.costs)
        rows.append((hosts, workers, _n(outcome.rate), f"{outcome.batch:.1f}", *_ms(outcome)))
    heads = ("hosts", "workers on each", "operations/s", "records a commit", "p50, ms", "p99, ms")
    return _table(heads, rows)


def _limit(measured: Measurements) -> str:
    costs, rows = measured.costs, []
    for records in (1, 8, 32, 128):
        by_lock = 1 / (costs.serial + costs.row * records)
        by_processor = POSTGRES_CORES / (costs.commit + costs.row * records)
        commits = min(by_lock, by_processor)
        first = "the ledger's head" if by_lock < by_processor else "its cores"
        rows.append((records, _n(commits), _n(commits * records), first))
    heads = ("records a commit", "commits/s", "operations/s", "what ends it")
    return _table(heads, rows)


def _hot(measured: Measurements) -> str:
    rows = []
    for share in HOT:
        outcome = simulate(_plan(4, 4), replace(measured.costs, changes=share))
        rows.append((f"{share:.1%}", _n(outcome.rate), *_ms(outcome)))
    return _table(("changes of the one key", "operations/s", "p50, ms", "p99, ms"), rows)


def _check(measured: Measurements) -> str:
    rows = []
    for run in measured.runs:
        outcome = predicted(measured, run.workers, run.foreign_cores)
        off = outcome.rate / run.rate - 1
        rows.append(
            (
                run.workers,
                _n(run.rate),
                _n(outcome.rate),
                f"{off:+.0%}",
                f"{run.batch:.1f}",
                f"{outcome.batch:.1f}",
            )
        )
    heads = (
        "workers",
        "measured/s",
        "simulated/s",
        "off by",
        "records a commit, measured",
        "simulated",
    )
    return _table(heads, rows)


def _plan(hosts: int, workers: int) -> Plan:
    return Plan(
        hosts=hosts,
        workers=workers,
        clients=CLIENTS,
        host_cores=HOST_CORES,
        postgres_cores=POSTGRES_CORES,
    )


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [list(heads), *(list(map(str, row)) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ms(outcome: Outcome) -> tuple[str, str]:
    return f"{outcome.median * 1e3:.1f}", f"{outcome.late * 1e3:.1f}"


def _n(number: float) -> str:
    return f"{number:,.0f}"


def _gib(size: float) -> str:
    return f"{size / 2**30:,.1f} GiB"
