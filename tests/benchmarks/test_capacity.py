"""The page of capacity says what the measurements say, and the simulation behaves as queues do."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from benchmarks.capacity_page import PAGE, filled, predicted, tables
from benchmarks.measurements import load
from benchmarks.simulation import MAX_BATCH, Costs, Plan, simulate

COSTS = Costs(
    operation=200e-6, commit=400e-6, row=10e-6, serial=500e-6, round_trip=100e-6, client=50e-6
)
PLAN = Plan(hosts=1, workers=1, clients=32, host_cores=4, postgres_cores=8)


def test_the_page_shows_what_the_measurements_come_to() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert filled(text, load()) == text, "run `python -m benchmarks.capacity --render`"
    for table in tables(load()).values():
        assert table in text


def test_another_measurement_makes_another_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert filled(text, replace(load(), bytes_a_record=1e6)) != text


def test_a_measurement_has_what_the_page_computes_with() -> None:
    measured = load()
    costs = measured.costs
    assert [run.workers for run in measured.runs] == [1, 2, 4]
    assert min(costs.operation, costs.commit, costs.row, costs.serial, costs.round_trip) > 0


def test_one_worker_does_what_its_core_does() -> None:
    assert simulate(PLAN, COSTS).rate == pytest.approx(1 / COSTS.operation, rel=0.02)


def test_workers_add_up_until_the_ledgers_head_is_full() -> None:
    few = simulate(replace(PLAN, workers=2), COSTS)
    assert few.rate == pytest.approx(2 / COSTS.operation, rel=0.03)
    many = simulate(replace(PLAN, hosts=16, workers=4), COSTS)
    assert many.rate <= MAX_BATCH / COSTS.serial
    one_commit = COSTS.serial + COSTS.row * many.batch
    assert many.rate / many.batch == pytest.approx(1 / one_commit, rel=0.05)
    assert many.median > few.median


def test_a_client_alone_waits_for_each_step_once() -> None:
    alone = simulate(replace(PLAN, clients=1), COSTS)
    steps = (COSTS.operation, COSTS.round_trip, COSTS.commit, COSTS.row, COSTS.serial)
    assert alone.median == pytest.approx(sum(steps), rel=1e-6)
    assert alone.batch == 1


def test_changes_of_the_one_key_cost_those_who_use_it() -> None:
    plan = replace(PLAN, hosts=4, workers=4)
    calm, hot = simulate(plan, COSTS), simulate(plan, replace(COSTS, changes=0.02))
    assert hot.rate < calm.rate
    assert hot.late > calm.late


def test_less_of_a_core_does_less() -> None:
    whole = simulate(replace(PLAN, host_cores=1, together=True), COSTS)
    half = simulate(replace(PLAN, host_cores=0.5, together=True), COSTS)
    assert half.rate == pytest.approx(whole.rate / 2, rel=0.1)


def test_the_simulation_is_the_same_each_time() -> None:
    assert predicted(load(), 2, 0.5) == predicted(load(), 2, 0.5)
