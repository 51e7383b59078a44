"""How much one principal may ask: exactly that much, each for itself, and dear work costs more."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from aegis_kernel.domain.errors import (
    IllegalOperationError,
    KeyNotFoundError,
    PermissionDeniedError,
    SettingsError,
    TooManyRequestsError,
    UnavailableError,
)
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import Principal, PrincipalKind
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import KeySpec, SignatureAlgorithm
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.costs import CostClass, extra_cost
from aegis_kernel.engine.job import Job
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.limits import Buckets, Limits, Rate
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations import messages_secrets as ms
from aegis_kernel.engine.operations.batch import Batch, in_batch
from aegis_kernel.engine.operations.declaration import Caller
from aegis_kernel.engine.operations.imports import CREATE_IMPORT_TOKEN
from aegis_kernel.engine.records import Scribe
from aegis_kernel.engine.refusals import MOST_RECORDS, Refusals
from aegis_kernel.engine.standing import Standing
from aegis_kernel.spi.journal import Committed, Entry
from aegis_kernel.testing.doubles import ManualClock
from tests.support.kernel import ALICE, BOB, settings

SECRET = "3f1e8a-a-secret-of-more-than-32-bytes-0c7b"
RANDOM = ms.Random(16)
SIGN_ALL = in_batch(op.SIGN)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


class Room:
    """A kernel that believes tokens, with limits of its own."""

    def __init__(self, tmp_path: Path, clock: ManualClock) -> None:
        self._tmp_path = tmp_path
        self._clock = clock
        self._open: list[Kernel] = []

    async def kernel(self, kind: str = "hmac", **limits: int) -> Kernel:
        chosen = {f"AEGIS_RATE_LIMIT_{name.upper()}": str(value) for name, value in limits.items()}
        secret = {"AEGIS_AUTH_HMAC_SECRET": SECRET} if kind == "hmac" else {}
        built = settings(self._tmp_path, AEGIS_AUTH_KIND=kind, **secret, **chosen)
        kernel = await Kernel(built, self._clock).__aenter__()
        self._open.append(kernel)
        return kernel

    async def aclose(self) -> None:
        for kernel in self._open:
            await kernel.__aexit__(None, None, None)


@pytest.fixture
async def room(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Room]:
    room = Room(tmp_path, clock)
    yield room
    await room.aclose()


async def served(ask: Callable[[], Awaitable[Any]], most: int = 200) -> int:
    """Return how many times in a row it may be asked before it is too many."""
    for count in range(most):
        try:
            await ask()
        except TooManyRequestsError:
            return count
    return most


async def records(kernel: Kernel) -> list[dict[str, Any]]:
    ledger = await kernel.providers.journal.ledger(0, 1000)
    return [json.loads(record.body) for record in ledger]


async def made(kernel: Kernel, **spec: Any) -> KeyId:
    return (await kernel.pipeline.run(op.CREATE, ALICE, create(**spec))).key.id


async def active(kernel: Kernel, **spec: Any) -> KeyId:
    key_id = await made(kernel, **spec)
    await kernel.pipeline.run(op.ACTIVATE, ALICE, m.Transition(), key_id)
    return key_id


def create(**spec: Any) -> m.CreateKey:
    plain = {"algorithm": "AES", "size_bits": 256} | spec if "curve" not in spec else spec
    return m.CreateKey(spec=msgspec.convert({"name": "k"} | plain, KeySpec))


def drawing(kernel: Kernel, caller: Caller = ALICE) -> Callable[[], Awaitable[Any]]:
    return lambda: kernel.pipeline.run(op.RANDOM, caller, RANDOM)


# ---- the bucket --------------------------------------------------------------------------------

_PAUSES = st.floats(0, 3) | st.sampled_from([0.0, 0.001, 1.0, 10.0, 86_400.0])


@given(
    st.integers(1, 50),
    st.integers(1, 20),
    st.lists(st.tuples(_PAUSES, st.integers(1, 30)), min_size=1, max_size=60),
)
@bounded(max_examples=300, deadline=None)
def test_over_any_schedule_a_name_gets_at_most_the_burst_and_the_rate(
    per_second: int, burst_seconds: int, asked: list[tuple[float, int]]
) -> None:
    clock = ManualClock()
    buckets = Buckets(Rate(per_second, burst_seconds), clock)
    burst = per_second * burst_seconds
    given_out: list[tuple[float, int]] = []
    for pause, units in asked:
        clock.advance(pause)
        if units <= burst and buckets.take("alice", units) == 0:
            given_out.append((clock.monotonic(), units))
    for first, (began, _) in enumerate(given_out):
        total = 0
        for ended, units in given_out[first:]:
            total += units
            assert total <= burst + per_second * (ended - began) + 0.001


@given(
    st.integers(1, 50),
    st.lists(st.tuples(_PAUSES, st.integers(1, 300)), min_size=1, max_size=40),
)
@bounded(max_examples=200, deadline=None)
def test_whoever_waits_as_long_as_it_is_told_is_served_and_not_before(
    per_second: int, asked: list[tuple[float, int]]
) -> None:
    clock = ManualClock()
    buckets = Buckets(Rate(per_second, 2), clock)
    for pause, units in asked:
        clock.advance(pause)
        wait = buckets.take("alice", units)
        if wait > 0.001:
            clock.advance(wait - 0.0005)
            assert buckets.take("alice", units) > 0
        if wait > 0:
            clock.advance(0.001)
            assert buckets.take("alice", units) == 0


def test_what_overdraws_a_full_bucket_is_waited_off(clock: ManualClock) -> None:
    buckets = Buckets(Rate(10, 2), clock)
    assert buckets.take("alice", 50) == 0
    assert buckets.take("alice", 1) == pytest.approx(3.1, abs=0.01)
    clock.advance(3.11)
    assert buckets.take("alice", 1) == 0


def test_the_whole_burst_is_there_also_after_a_year_of_monotonic_time(clock: ManualClock) -> None:
    buckets = Buckets(Rate(4_999, 10), clock)
    clock.advance(365 * 86_400 + 1 / 3)
    assert [buckets.take("alice", 1) for _ in range(49_990)] == [0.0] * 49_990
    assert buckets.take("alice", 1) > 0


def test_a_million_subjects_take_bounded_memory(clock: ManualClock) -> None:
    buckets = Buckets(Rate(10, 1), clock, most=1_000)
    for n in range(1_000_000):
        buckets.take(str(n), 1)
    assert len(buckets) == 1_000


# ---- what is limited ---------------------------------------------------------------------------


async def test_beyond_the_burst_a_request_is_too_many_until_it_has_waited(
    room: Room, clock: ManualClock
) -> None:
    kernel = await room.kernel(requests=2, burst_seconds=5)
    assert await served(drawing(kernel)) == 10
    with pytest.raises(TooManyRequestsError, match="try again in 1 s") as refused:
        await kernel.pipeline.run(op.RANDOM, ALICE, RANDOM)
    assert "AEGIS_RATE_LIMIT_REQUESTS" in refused.value.message
    clock.advance(refused.value.retry_after_seconds)
    assert await served(drawing(kernel)) == 2


async def test_two_principals_do_not_share(room: Room) -> None:
    kernel = await room.kernel(requests=1, burst_seconds=5)
    assert await served(drawing(kernel)) == 5
    assert await served(drawing(kernel, BOB)) == 5


async def test_an_agent_has_no_limit_but_that_of_whom_it_acts_for(room: Room) -> None:
    kernel = await room.kernel(requests=1, burst_seconds=5)
    standing = Standing(ALICE.principal)
    agents = [
        Caller(
            Principal(subject=f"agent-{n}", kind=PrincipalKind.SERVICE, groups=frozenset()),
            standing=standing,
        )
        for n in range(3)
    ]
    limits: Limits = kernel.pipeline._limits  # type: ignore[assignment]
    for n in range(5):
        limits.admit(Job(op.RANDOM, agents[n % 3], RANDOM, None, "event"))
    for caller in (*agents, ALICE):
        with pytest.raises(TooManyRequestsError):
            limits.admit(Job(op.RANDOM, caller, RANDOM, None, "event"))


@pytest.mark.parametrize(
    "ask",
    [
        lambda kernel: kernel.pipeline.run(op.RANDOM, ALICE, RANDOM),
        lambda kernel: kernel.pipeline.run(op.LIST, ALICE, m.ListKeys(limit=49)),
        lambda kernel: kernel.pipeline.run(op.CREATE, ALICE, create()),
        lambda kernel: kernel.pipeline.try_out(op.CREATE, ALICE, create()),
    ],
    ids=["random", "list", "create", "dry run"],
)
async def test_what_names_no_key_is_limited_too(room: Room, ask: Callable[..., Any]) -> None:
    kernel = await room.kernel(requests=1, burst_seconds=5)
    assert await served(lambda: ask(kernel)) == 5


async def test_a_list_counts_one_more_for_every_50_rows_that_it_asks_for(room: Room) -> None:
    kernel = await room.kernel(requests=11, burst_seconds=3)
    long = m.ListKeys(limit=500)
    assert await served(lambda: kernel.pipeline.run(op.LIST, ALICE, long)) == 3


async def test_what_is_denied_or_unknown_counts_as_well_for_each_refusal_is_recorded(
    room: Room,
) -> None:
    kernel = await room.kernel(requests=1, burst_seconds=5)
    key_id = await made(kernel)
    with pytest.raises(PermissionDeniedError):
        await kernel.pipeline.run(op.ACTIVATE, BOB, m.Transition(), key_id)
    for _ in range(4):
        with pytest.raises(KeyNotFoundError):
            await kernel.pipeline.run(
                op.ACTIVATE, BOB, m.Transition(), KeyId("8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9")
            )
    with pytest.raises(TooManyRequestsError):
        await kernel.pipeline.run(op.ACTIVATE, BOB, m.Transition(), key_id)


async def test_a_request_that_starts_again_counts_once(room: Room) -> None:
    kernel = await room.kernel(requests=10, burst_seconds=1)
    key_id = await active(kernel)
    stale = await kernel.pipeline._streams.view(key_id)
    await kernel.pipeline.run(op.COMPROMISE, ALICE, m.Compromise("leaked"), key_id)
    kernel.pipeline._streams.put(stale)
    with pytest.raises(IllegalOperationError):
        await kernel.pipeline.run(op.ENCRYPT, ALICE, m.Encrypt(Secret(b"x")), key_id)
    # Of 10 requests these were made: create, activate, compromise, encrypt.
    assert await served(drawing(kernel)) == 6


async def test_a_refused_request_reads_and_writes_nothing(room: Room) -> None:
    kernel = await room.kernel(requests=1, burst_seconds=2)
    await served(drawing(kernel))
    before = len(await records(kernel))
    loads: list[str] = []
    load = kernel.providers.journal.load
    kernel.providers.journal.load = lambda stream: (loads.append(stream), load(stream))[1]  # type: ignore[method-assign]
    with pytest.raises(TooManyRequestsError):
        await kernel.pipeline.run(op.GET, ALICE, m.GetKey(), KeyId("unknown"))
    assert (loads, len(await records(kernel))) == ([], before)


@pytest.mark.parametrize(("size_bits", "signatures"), [(2048, 24), (4096, 4)])
async def test_a_larger_rsa_key_costs_more(room: Room, size_bits: int, signatures: int) -> None:
    kernel = await room.kernel(heavy=12, burst_seconds=2)
    key_id = await active(kernel, algorithm="RSA", size_bits=size_bits)
    sign = m.Sign(SignatureAlgorithm.RSA_PSS_SHA256, b"message")
    assert await served(lambda: kernel.pipeline.run(op.SIGN, ALICE, sign, key_id)) == signatures


async def test_aes_goes_on_when_rsa_is_exhausted(room: Room) -> None:
    kernel = await room.kernel(heavy=6, burst_seconds=1)
    rsa, aes = await active(kernel, algorithm="RSA", size_bits=4096), await active(kernel)
    sign = m.Sign(SignatureAlgorithm.RSA_PSS_SHA256, b"message")
    assert await served(lambda: kernel.pipeline.run(op.SIGN, ALICE, sign, rsa)) == 1
    assert "TooManyRequests" not in [row["outcome"] for row in await records(kernel)]
    encrypt = m.Encrypt(Secret(b"x"))
    assert await served(lambda: kernel.pipeline.run(op.ENCRYPT, ALICE, encrypt, aes)) == 200


async def test_a_batch_costs_its_items(room: Room) -> None:
    kernel = await room.kernel(requests=20, heavy=18, burst_seconds=1)
    key_id = await active(kernel, algorithm="RSA", size_bits=4096)
    batch = Batch((m.Sign(SignatureAlgorithm.RSA_PSS_SHA256, b"message"),) * 3)
    await kernel.pipeline.run(SIGN_ALL, ALICE, batch, key_id)
    with pytest.raises(TooManyRequestsError, match="AEGIS_RATE_LIMIT_HEAVY"):
        await kernel.pipeline.run(SIGN_ALL, ALICE, batch, key_id)
    # Of 20 requests these were made: create, activate, and twice three items.
    assert await served(drawing(kernel)) == 12


async def test_keys_being_made_have_a_limit_of_their_own(room: Room) -> None:
    kernel = await room.kernel(making=55, burst_seconds=2)
    assert await served(lambda: made(kernel, algorithm="RSA", size_bits=2048)) == 11
    assert await served(lambda: made(kernel)) == 0


async def test_what_is_not_allowed_is_not_charged_for_its_key(room: Room) -> None:
    kernel = await room.kernel(heavy=6, burst_seconds=1)
    key_id = await active(kernel, algorithm="RSA", size_bits=4096)
    sign = m.Sign(SignatureAlgorithm.RSA_PSS_SHA256, b"message")
    for _ in range(10):
        with pytest.raises(PermissionDeniedError):
            await kernel.pipeline.run(op.SIGN, BOB, sign, key_id)


@pytest.mark.parametrize(
    ("operation", "spec", "cost"),
    [
        (op.ENCRYPT, {"algorithm": "AES", "size_bits": 256}, None),
        (op.SIGN, {"algorithm": "EdDSA", "curve": "Ed25519"}, None),
        (op.SIGN, {"algorithm": "EC", "curve": "P-256"}, None),
        (op.SIGN, {"algorithm": "EC", "curve": "P-384"}, (CostClass.HEAVY, 1)),
        (op.VERIFY, {"algorithm": "EC", "curve": "P-521"}, (CostClass.HEAVY, 1)),
        (op.DECRYPT, {"algorithm": "RSA", "size_bits": 3072}, (CostClass.HEAVY, 3)),
        (op.ENCRYPT, {"algorithm": "RSA", "size_bits": 4096}, None),
        (op.VERIFY, {"algorithm": "RSA", "size_bits": 4096}, None),
        (op.ROTATE, {"algorithm": "RSA", "size_bits": 4096}, (CostClass.MAKING, 100)),
        (op.ROTATE, {"algorithm": "AES", "size_bits": 256}, (CostClass.MAKING, 1)),
        (CREATE_IMPORT_TOKEN, {"algorithm": "AES", "size_bits": 256}, (CostClass.MAKING, 100)),
    ],
    ids=lambda value: str(getattr(value, "name", value)),
)
async def test_a_cost_follows_from_the_operation_and_the_spec(
    room: Room, operation: Any, spec: dict[str, Any], cost: object
) -> None:
    kernel = await room.kernel()
    key = (await kernel.pipeline.run(op.CREATE, ALICE, create(**spec))).key
    assert extra_cost(operation.name, key, None) == cost


# ---- dev mode, settings ------------------------------------------------------------------------


async def test_dev_mode_has_no_limits(room: Room) -> None:
    kernel = await room.kernel("dev", requests=1, heavy=1, making=1, burst_seconds=1)
    assert await served(drawing(kernel)) == 200
    assert kernel.pipeline._limits is None


async def test_nothing_stands_in_the_way_where_all_limits_are_off(room: Room) -> None:
    kernel = await room.kernel(requests=0, heavy=0, making=0)
    assert kernel.pipeline._limits is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("REQUESTS", "-1"), ("HEAVY", "many"), ("MAKING", "1e3"), ("BURST_SECONDS", "0")],
)
def test_a_bad_limit_stops_the_boot(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"AEGIS_RATE_LIMIT_{name} must be"):
        settings(tmp_path, **{f"AEGIS_RATE_LIMIT_{name}": value})


# ---- the record --------------------------------------------------------------------------------


async def test_refusals_are_recorded_as_counts_by_principal_and_operation(room: Room) -> None:
    kernel = await room.kernel(requests=1, burst_seconds=2)
    for caller, times in ((ALICE, 300), (BOB, 7)):
        for _ in range(times):
            await served(drawing(kernel, caller))
    await served(lambda: kernel.pipeline.run(op.LIST, BOB, m.ListKeys()))
    await kernel._refusals.summarise()
    rows = [row for row in await records(kernel) if row["outcome"] == "TooManyRequests"]
    told = {(row["actor"], row["op"]): row["count"] for row in rows}
    assert told == {("alice", "Random"): 300, ("bob", "Random"): 7, ("bob", "List"): 1}
    assert {row["actorKind"] for row in rows} == {"Human"}
    await kernel._refusals.summarise()
    assert len([r for r in await records(kernel) if r["outcome"] == "TooManyRequests"]) == 3


class Ledger:
    """Where refusals are committed; away for as long as a test says."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.is_away = False

    async def commit(self, entry: Entry) -> Committed:
        if self.is_away:
            raise UnavailableError("away")
        self.entries.append(entry)
        return Committed()

    @property
    def counts(self) -> Counter[str]:
        rows = [json.loads(record.body) for entry in self.entries for record in entry.records]
        return Counter({row["actor"]: row["count"] for row in rows})


def caller(subject: str) -> Caller:
    return Caller(Principal(subject=subject, kind=PrincipalKind.HUMAN))


async def test_records_are_bounded_and_still_count_every_refusal(
    clock: ManualClock,
) -> None:
    ledger = Ledger()
    refusals = Refusals(ledger.commit, Scribe(clock))
    for n in range(10_000):
        refusals.note(caller(f"user-{n}"), Operation.SIGN)
    await refusals.summarise()
    assert len(ledger.entries) == 1
    assert len(ledger.entries[0].records) <= MOST_RECORDS
    assert ledger.counts.total() == 10_000


async def test_what_the_journal_does_not_take_is_told_later_and_once(
    clock: ManualClock,
) -> None:
    ledger = Ledger()
    refusals = Refusals(ledger.commit, Scribe(clock))
    ledger.is_away = True
    for _ in range(3):
        refusals.note(caller("alice"), Operation.SIGN)
        await refusals.summarise()
    ledger.is_away = False
    await refusals.aclose()
    assert sum(json.loads(r.body)["count"] for e in ledger.entries for r in e.records) == 3
