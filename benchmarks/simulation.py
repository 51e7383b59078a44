"""Many hosts before one Postgres, event by event: what their number gives, and where it ends.

Closed loops of clients ask workers. A worker computes on one core at a time, in turns: what has come
is computed, and what waits then goes together in its next commit. Postgres computes a commit on one
of its cores, and from the ledger's head until the disk has the rows only one commit goes on at a time.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from random import Random

import msgspec

MAX_BATCH = 128

Then = Callable[[], None]


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Measured: seconds, but for `changes`, the share of requests that change the one hot key.

    With a `spread` of 0.3 computing and flushing take from 0.7 to 1.3 of that: without any, workers
    fall into step as they never do.
    """

    operation: float
    commit: float
    row: float
    serial: float
    round_trip: float
    client: float = 0.0
    changes: float = 0.0
    spread: float = 0.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What stands where. With `together` clients, workers and Postgres share the cores of one host."""

    hosts: int
    workers: int
    clients: int
    host_cores: float
    postgres_cores: float
    together: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """Operations a second, entries a commit, seconds of the median and of the 99th percentile."""

    rate: float
    batch: float
    median: float
    late: float


class _Time:
    def __init__(self, spread: float) -> None:
        self.now = 0.0
        self._spread = spread
        self._chance = Random(0)
        self._order = itertools.count()
        self._events: list[tuple[float, int, Then]] = []

    def after(self, seconds: float, then: Then) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), then))

    def about(self, seconds: float) -> float:
        """Return a time near `seconds`; the same sequence in every simulation."""
        return seconds * (1 + self._spread * (2 * self._chance.random() - 1))

    def run_until(self, end: float) -> None:
        while self._events and self._events[0][0] <= end:
            self.now, _, then = heapq.heappop(self._events)
            then()


class _Cores:
    """First come, first served. A share of a core is a core that is as much slower."""

    def __init__(self, time: _Time, cores: float) -> None:
        self._time = time
        self._free = max(round(cores), 1)
        self._slowness = self._free / cores
        self._waiting: deque[tuple[float, Then]] = deque()

    def run(self, seconds: float, then: Then) -> None:
        self._waiting.append((seconds, then))
        self._next()

    def _next(self) -> None:
        if not self._free or not self._waiting:
            return
        self._free -= 1
        seconds, then = self._waiting.popleft()
        self._time.after(self._time.about(seconds) * self._slowness, lambda: self._done(then))

    def _done(self, then: Then) -> None:
        self._free += 1
        then()
        self._next()


class _Lock:
    """Shared by uses, exclusive to a change; first come, first served, as Postgres queues them."""

    def __init__(self) -> None:
        self._holders = 0
        self._is_exclusive = False
        self._waiting: deque[tuple[bool, Then]] = deque()

    def take(self, exclusive: bool, then: Then) -> None:
        self._waiting.append((exclusive, then))
        self._grant()

    def release(self) -> None:
        self._holders -= 1
        self._grant()

    def _grant(self) -> None:
        while self._waiting:
            exclusive, then = self._waiting[0]
            if self._holders and (exclusive or self._is_exclusive):
                return
            self._waiting.popleft()
            self._holders, self._is_exclusive = self._holders + 1, exclusive
            then()


class _Postgres:
    def __init__(self, time: _Time, costs: Costs, cores: _Cores) -> None:
        self._time, self._costs, self._cores = time, costs, cores
        self._hot, self._head = _Lock(), _Lock()

    def commit(self, rows: int, changes: bool, then: Then) -> None:
        costs, trip = self._costs, self._costs.round_trip / 2

        def done() -> None:
            self._head.release()
            self._hot.release()
            self._time.after(trip, then)

        def flush() -> None:
            self._time.after(self._time.about(costs.serial), done)

        def write() -> None:
            self._head.take(True, lambda: self._cores.run(costs.row * rows, flush))

        def compute() -> None:
            self._hot.take(changes, lambda: self._cores.run(costs.commit, write))

        self._time.after(trip, compute)


class _Worker:
    def __init__(self, time: _Time, costs: Costs, postgres: _Postgres, cores: _Cores) -> None:
        self._time, self._costs, self._postgres, self._cores = time, costs, postgres, cores
        self._asked: list[Then] = []
        self._is_busy = self._is_committing = False
        self._waiting: list[Then] = []
        self._until_change = 0.0
        self.commits = self.entries = 0

    def ask(self, then: Then) -> None:
        self._asked.append(then)
        self._compute()

    def _compute(self) -> None:
        if self._is_busy or not self._asked:
            return
        self._is_busy = True
        turn, self._asked = self._asked, []
        self._cores.run(self._costs.operation * len(turn), lambda: self._computed(turn))

    def _computed(self, turn: list[Then]) -> None:
        self._is_busy = False
        self._waiting += turn
        self._commit()
        self._compute()

    def _commit(self) -> None:
        if self._is_committing or not self._waiting:
            return
        batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
        self._is_committing = True
        self.commits, self.entries = self.commits + 1, self.entries + len(batch)
        self._until_change += len(batch) * self._costs.changes
        changes, self._until_change = self._until_change >= 1, self._until_change % 1
        self._postgres.commit(len(batch), changes, lambda: self._committed(batch))

    def _committed(self, batch: list[Then]) -> None:
        self._is_committing = False
        for then in batch:
            then()
        self._commit()


def simulate(plan: Plan, costs: Costs, seconds: float = 2.0) -> Outcome:
    """Return what `plan` comes to, after a start that is not counted. The same each time."""
    time = _Time(costs.spread)
    shared = _Cores(time, plan.host_cores)
    database = shared if plan.together else _Cores(time, plan.postgres_cores)
    postgres = _Postgres(time, costs, database)
    workers: list[_Worker] = []
    for _ in range(plan.hosts):
        cores = shared if plan.together else _Cores(time, plan.host_cores)
        workers += [_Worker(time, costs, postgres, cores) for _ in range(plan.workers)]
    taken: list[float] = []

    def client(worker: _Worker) -> None:
        asked = time.now

        def answered() -> None:
            taken.append(time.now - asked)
            if plan.together and costs.client:
                shared.run(costs.client, lambda: client(worker))
            else:
                client(worker)

        worker.ask(answered)

    for worker in workers:
        for _ in range(plan.clients):
            client(worker)
    time.run_until(seconds / 4)
    taken.clear()
    for worker in workers:
        worker.commits = worker.entries = 0
    time.run_until(seconds * 5 / 4)
    taken.sort()
    entries, commits = sum(w.entries for w in workers), sum(w.commits for w in workers)
    return Outcome(
        len(taken) / seconds,
        entries / max(commits, 1),
        taken[len(taken) // 2],
        taken[len(taken) * 99 // 100],
    )
