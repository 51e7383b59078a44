"""The shipped example decides as basic does, and meets every law of authorizers."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest
from aegis_authz_cedar import EXAMPLE, CedarAuthorizer, CedarSettings, Plugin
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis_kernel import (
    Authorizer,
    Circumstances,
    Key,
    KeyState,
    NoSettings,
    Operation,
    Principal,
    PrincipalKind,
)
from aegis_kernel.testing import AuthorizerConformance
from aegis_kernel.testing.authorizer import key as key_of
from aegis_kernel.testing.authorizer import questions
from aegis_kernel.testing.doubles import ThreadExecutor, plugin_context

NAMES = st.sampled_from(["alice", "bob", "Alice", "admins", "*", 'Human::"alice"', "a\\b", '"'])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@pytest.fixture
async def cedar() -> Authorizer:
    authorizer = CedarAuthorizer(CedarSettings(policy_file=EXAMPLE), ThreadExecutor())
    await authorizer.open()
    return authorizer


@pytest.fixture
def basic(tmp_path: Path) -> Authorizer:
    (point,) = entry_points(group="aegis.authorizer", name="basic")
    built: Authorizer = point.load()().aegis_authorizer(plugin_context(NoSettings(), tmp_path))
    return built


class TestCedarAuthorizer(AuthorizerConformance):
    @pytest.fixture
    async def authorizer(self) -> Authorizer:
        authorizer = CedarAuthorizer(CedarSettings(policy_file=EXAMPLE), ThreadExecutor())
        await authorizer.open()
        return authorizer


def test_the_example_decides_every_question_of_the_kit_as_basic_does(
    cedar: Authorizer, basic: Authorizer
) -> None:
    for question in questions():
        assert cedar.decide(*question).allowed is basic.decide(*question).allowed, question


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    subject=NAMES | TEXT,
    owner=NAMES | TEXT,
    kind=st.sampled_from(PrincipalKind),
    groups=st.frozensets(NAMES | TEXT, max_size=3),
    operation=st.sampled_from(Operation),
    state=st.sampled_from(KeyState),
    has_key=st.booleans(),
    tags=st.dictionaries(st.sampled_from(["__entity", "__extn", "uid", "type"]) | TEXT, TEXT),
    at=st.floats(0, 4e9),
    source_ip=st.none() | st.ip_addresses().map(str) | TEXT,
    contexts=st.lists(st.dictionaries(TEXT, TEXT, max_size=2), max_size=3),
)
def test_the_example_decides_any_other_question_as_basic_does(
    cedar: Authorizer,
    basic: Authorizer,
    subject: str,
    owner: str,
    kind: PrincipalKind,
    groups: frozenset[str],
    operation: Operation,
    state: KeyState,
    has_key: bool,
    tags: dict[str, str],
    at: float,
    source_ip: str | None,
    contexts: list[dict[str, str]],
) -> None:
    who = Principal(subject=subject, kind=kind, groups=groups)
    asked: Key | None = key_of(owner, state, tags=tags) if has_key else None
    circumstances = Circumstances(at=at, source_ip=source_ip, contexts=tuple(contexts))
    question = (who, operation, asked, circumstances)
    assert cedar.decide(*question).allowed is basic.decide(*question).allowed


def test_the_plugin_builds_it_without_reading_anything(tmp_path: Path) -> None:
    section = CedarSettings(policy_file=tmp_path / "absent.cedar")
    authorizer = Plugin().aegis_authorizer(plugin_context(section, tmp_path))
    assert isinstance(authorizer, CedarAuthorizer)
