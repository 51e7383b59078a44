"""Measures what capacity is computed from, and writes the page: `python -m benchmarks.capacity`.

A real Postgres with durable commits, real servers with HTTP, and clients, all on this machine. With
`--render` only the tables of the page are written anew, from the measurements in capacity.json.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from pathlib import Path

from benchmarks import database, fleet
from benchmarks.capacity_page import PAGE, filled
from benchmarks.measurements import Measurements, keep, load
from benchmarks.processor import machine
from tests.support.postgres import PostgresServer

WORKERS = (1, 2, 4)


def measure(rounds: int, seconds: float) -> Measurements:
    """Return all measurements, medians of `rounds` rounds."""
    postgres = PostgresServer.fresh({"shared_buffers": "256MB"})
    try:
        commits = database.commits(postgres, rounds)
        sizes = asyncio.run(database.sizes(postgres))
        trip = database.round_trip(postgres)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            runs = [fleet.run(postgres, place, n, rounds, seconds) for n in WORKERS]
    finally:
        postgres.remove()
    return Measurements(
        cores=os.cpu_count() or 1,
        machine=machine(),
        rounds=rounds,
        commits=commits,
        round_trip_us=trip,
        bytes_a_record=sizes["record"],
        log_bytes_a_record=sizes["log"],
        bytes_a_change=sizes["change"],
        runs=runs,
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--render", action="store_true", help="measure nothing")
    chosen = options.parse_args()
    if not chosen.render:
        keep(measure(chosen.rounds, chosen.seconds))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), load()), encoding="utf-8")


if __name__ == "__main__":
    main()
