"""The measurements that capacity is computed from, as capacity.json keeps them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from benchmarks.simulation import Costs

DATA = Path(__file__).parent / "capacity.json"


class Commit(msgspec.Struct, frozen=True):
    """A commit of so many records: Postgres's processor time, and the time until the answer
    that nine of ten do not undercut, in µs."""

    records: int
    processor_us: float
    wall_us: float


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """So many workers with so many connections each; the times are processor time an operation."""

    workers: int
    connections: int
    rate: float
    batch: float
    server_us: float
    postgres_us: float
    client_us: float
    foreign_cores: float


class Measurements(msgspec.Struct, frozen=True, kw_only=True):
    """`log` is Postgres's write-ahead log. Bytes are on disk, indexes included."""

    cores: int
    machine: str
    rounds: int
    commits: list[Commit]
    round_trip_us: float
    bytes_a_record: float
    log_bytes_a_record: float
    bytes_a_change: float
    runs: list[Run]

    @property
    def costs(self) -> Costs:
        """What the simulation computes with: a line through the smallest and the largest commit."""
        least, most = self.commits[0], self.commits[-1]
        row = (most.processor_us - least.processor_us) / (most.records - least.records)
        waited = least.wall_us - least.processor_us - self.round_trip_us
        return Costs(
            operation=self.runs[0].server_us / 1e6,
            commit=max(least.processor_us - row, 0) / 1e6,
            row=row / 1e6,
            serial=max(waited, 50.0) / 1e6,
            round_trip=self.round_trip_us / 1e6,
            client=self.runs[0].client_us / 1e6,
            spread=0.3,
        )


def load() -> Measurements:
    """Return what the last measurement wrote."""
    return msgspec.json.decode(DATA.read_bytes(), type=Measurements)


def keep(measured: Measurements) -> None:
    """Write it where `load` finds it."""
    DATA.write_bytes(msgspec.json.format(msgspec.json.encode(measured), indent=2) + b"\n")
