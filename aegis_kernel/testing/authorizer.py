"""The laws of every authorizer."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis_kernel.domain.key import Key, KeyId, KeyVersion
from aegis_kernel.domain.lifecycle import KeyState, Operation
from aegis_kernel.domain.principal import Principal, PrincipalKind
from aegis_kernel.domain.spec import Algorithm, KeySpec
from aegis_kernel.spi.authorizer import Authorizer, Circumstances, Decision

Question = tuple[Principal, Operation, Key | None, Circumstances]

_CREATED = datetime(2026, 1, 1, tzinfo=UTC)
_SECONDS_PER_DECISION = 0.005
# Several subclasses run one test of this class; what one of them found is not replayed in another.
_SETTINGS = settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
_SUBJECTS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=256)
_NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256)


class AuthorizerConformance:
    """Override `authorizer`; run with pytest-asyncio in auto mode."""

    @pytest.fixture
    def authorizer(self) -> Authorizer:
        """An opened authorizer; an async fixture that closes it afterwards will do."""
        raise NotImplementedError("override the fixture `authorizer`")

    async def test_it_is_healthy_once_opened(self, authorizer: Authorizer) -> None:
        assert (await authorizer.check()).status == "ok"

    def test_every_question_has_a_decision(self, authorizer: Authorizer) -> None:
        for question in questions():
            require_sound(authorizer.decide(*question))

    def test_the_same_question_has_the_same_decision(self, authorizer: Authorizer) -> None:
        first = [authorizer.decide(*question) for question in questions()]
        backwards = [authorizer.decide(*question) for question in reversed(list(questions()))]
        assert first == backwards[::-1]

    def test_whoever_failed_to_authenticate_may_do_nothing(self, authorizer: Authorizer) -> None:
        unknown = [q for q in questions() if q[0].kind is PrincipalKind.UNKNOWN]
        assert unknown
        assert not [q for q in unknown if authorizer.decide(*q).allowed]

    def test_a_readable_owner_leaves_out_no_key_that_may_be_read(
        self, authorizer: Authorizer
    ) -> None:
        for principal, asked_key in itertools.product(principals(), keys()):
            owner = authorizer.readable_owner(principal)
            if asked_key is not None and owner not in (None, asked_key.owner):
                decision = authorizer.decide(principal, Operation.GET, asked_key, Circumstances())
                assert not decision.allowed

    def test_a_decision_takes_no_time_to_speak_of(self, authorizer: Authorizer) -> None:
        asked = list(questions())
        begin = time.perf_counter()
        for question in asked:
            authorizer.decide(*question)
        assert time.perf_counter() - begin < _SECONDS_PER_DECISION * len(asked)

    @_SETTINGS
    @given(
        subject=_SUBJECTS,
        owner=_SUBJECTS,
        groups=st.frozensets(_SUBJECTS, max_size=4),
        name=_NAMES,
        tags=st.dictionaries(_NAMES, _NAMES, max_size=3),
        kind=st.sampled_from(PrincipalKind),
        operation=st.sampled_from(Operation),
    )
    def test_hostile_names_are_only_names(
        self,
        authorizer: Authorizer,
        subject: str,
        owner: str,
        groups: frozenset[str],
        name: str,
        tags: dict[str, str],
        kind: PrincipalKind,
        operation: Operation,
    ) -> None:
        principal = Principal(subject=subject, kind=kind, groups=groups)
        asked_key = key(owner, KeyState.ACTIVE, name=name, tags=tags)
        require_sound(authorizer.decide(principal, operation, asked_key, Circumstances()))


def require_sound(decision: Decision) -> None:
    """Assert what holds for every decision: a real yes or no, and a reason fit for a record."""
    assert isinstance(decision, Decision)
    assert isinstance(decision.allowed, bool)
    assert len(decision.reason) <= 256
    assert decision.reason.isprintable()
    assert decision.allowed or decision.reason.strip()


def questions() -> Iterator[Question]:
    """Yield principals of every kind × every operation × no key, one's own and another's in
    every state × circumstances."""
    yield from itertools.product(principals(), Operation, keys(), circumstances())


def principals() -> list[Principal]:
    groups = (frozenset[str](), frozenset({"admins"}), frozenset({"readers", "writers"}))
    return [
        Principal(subject="alice", kind=kind, groups=some)
        for kind, some in itertools.product(PrincipalKind, groups)
    ]


def circumstances() -> list[Circumstances]:
    return [
        Circumstances(),
        Circumstances(
            at=1_800_000_000.5,
            source_ip="192.0.2.7",
            contexts=({"tenant": "acme"}, {}),
            belongs_to="alice",
        ),
    ]


def keys() -> list[Key | None]:
    return [None, *(key(owner, state) for owner in ("alice", "bob") for state in KeyState)]


def key(
    owner: str, state: KeyState, *, name: str = "kit", tags: dict[str, str] | None = None
) -> Key:
    """Return a key of that owner in that state."""
    return Key(
        id=KeyId("0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"),
        spec=KeySpec(name=name, algorithm=Algorithm.AES, size_bits=256),
        state=state,
        owner=owner,
        versions=(KeyVersion(1, state, _CREATED, "inmemory"),),
        created_at=_CREATED,
        tags=tags or {},
    )
