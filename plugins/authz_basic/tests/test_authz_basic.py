from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aegis_authz_basic import ABOUT_AGENTS, BasicAuthorizer, Plugin

from aegis_kernel import (
    Algorithm,
    Authorizer,
    Circumstances,
    Key,
    KeyId,
    KeySpec,
    KeyState,
    KeyVersion,
    NoSettings,
    Operation,
    Principal,
    PrincipalKind,
)
from aegis_kernel.testing import AuthorizerConformance
from aegis_kernel.testing.doubles import plugin_context

AUTHENTICATED = (PrincipalKind.HUMAN, PrincipalKind.SERVICE)
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


class TestBasicAuthorizer(AuthorizerConformance):
    @pytest.fixture
    def authorizer(self) -> Authorizer:
        return BasicAuthorizer()


def principal(subject: str, *groups: str, kind: PrincipalKind = PrincipalKind.HUMAN) -> Principal:
    return Principal(subject=subject, kind=kind, groups=frozenset(groups))


def key_of(owner: str, state: KeyState = KeyState.ACTIVE) -> Key:
    return Key(
        id=KeyId("0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"),
        spec=KeySpec(name="orders", algorithm=Algorithm.AES, size_bits=256),
        state=state,
        owner=owner,
        versions=(KeyVersion(1, state, CREATED, "inmemory"),),
        created_at=CREATED,
    )


def allows(who: Principal, operation: Operation, key: Key | None) -> bool:
    return BasicAuthorizer().decide(who, operation, key, Circumstances()).allowed


@pytest.mark.parametrize("kind", AUTHENTICATED)
@pytest.mark.parametrize("operation", Operation)
def test_an_admin_may_all(operation: Operation, kind: PrincipalKind) -> None:
    root = principal("root", "readers", "admins", kind=kind)
    for key in (None, *(key_of("alice", state) for state in KeyState)):
        assert allows(root, operation, key)


@pytest.mark.parametrize("kind", AUTHENTICATED)
@pytest.mark.parametrize("operation", Operation)
def test_an_owner_may_all_on_the_own_key_in_every_state(
    operation: Operation, kind: PrincipalKind
) -> None:
    assert all(
        allows(principal("alice", kind=kind), operation, key_of("alice", state))
        for state in KeyState
    )


@pytest.mark.parametrize("kind", AUTHENTICATED)
@pytest.mark.parametrize("operation", Operation)
def test_everyone_may_create_list_and_draw_random_bytes_and_nobody_else_anything(
    operation: Operation, kind: PrincipalKind
) -> None:
    expected = operation in (
        Operation.CREATE, Operation.LIST, Operation.LIST_ALIASES, Operation.RANDOM
    )  # fmt: skip
    for key in (None, *(key_of("alice", state) for state in KeyState)):
        assert allows(principal("bob", "readers", kind=kind), operation, key) is expected


@pytest.mark.parametrize(
    ("subject", "owner"),
    [("Alice", "alice"), ("alice.", "alice"), ("alic", "alice"), ("alice", "alice/x"), ("*", "a")],
)
def test_subjects_are_compared_character_by_character(subject: str, owner: str) -> None:
    assert not allows(principal(subject), Operation.GET, key_of(owner))


@pytest.mark.parametrize("group", ["Admins", "ADMINS", "admin", "admins2", "x-admins", "*"])
def test_only_the_group_admins_is_admins(group: str) -> None:
    assert not allows(principal("bob", group), Operation.SIGN, key_of("alice"))


def test_being_called_admins_is_not_being_in_the_group() -> None:
    assert not allows(principal("admins"), Operation.SIGN, key_of("alice"))


def test_the_reason_of_a_refusal_names_nobody() -> None:
    decisions = [
        BasicAuthorizer().decide(principal("subject-bob"), operation, key, Circumstances())
        for operation, key in itertools.product(Operation, (None, key_of("subject-alice")))
    ]
    refusals = {decision.reason for decision in decisions if not decision.allowed}
    assert refusals == {
        "not an admin",
        "not an admin and not the key's owner",
        "not an admin, and agents of another",
    }


@pytest.mark.parametrize("operation", sorted(ABOUT_AGENTS))
@pytest.mark.parametrize("kind", AUTHENTICATED)
def test_everyone_has_to_do_with_the_own_agents_and_admins_with_all(
    operation: Operation, kind: PrincipalKind
) -> None:
    def decide(who: Principal, belongs_to: str | None) -> bool:
        about = Circumstances(belongs_to=belongs_to)
        return BasicAuthorizer().decide(who, operation, None, about).allowed

    assert decide(principal("bob", kind=kind), "bob")
    assert not decide(principal("bob", kind=kind), "alice")
    assert not decide(principal("bob", kind=kind), None)
    assert decide(principal("root", "admins", kind=kind), "alice")


@pytest.mark.parametrize("operation", Operation)
def test_an_agent_is_not_asked_about_but_whom_it_acts_for(operation: Operation) -> None:
    for groups in ((), ("admins",)):
        agent = principal("alice", *groups, kind=PrincipalKind.AGENT)
        about = Circumstances(belongs_to="alice")
        for key in (None, key_of("alice")):
            assert not BasicAuthorizer().decide(agent, operation, key, about).allowed


def test_the_plugin_builds_it(tmp_path: Path) -> None:
    authorizer = Plugin().aegis_authorizer(plugin_context(NoSettings(), tmp_path))
    assert isinstance(authorizer, BasicAuthorizer)
