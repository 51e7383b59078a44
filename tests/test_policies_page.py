"""Every example of docs/policies.md is read from the page, and decides what the page says it does."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aegis_authz_cedar import CedarAuthorizer, CedarSettings, schema_text
from msgspec.structs import replace

from aegis_kernel import (
    Algorithm,
    Circumstances,
    Key,
    KeySpec,
    KeyState,
    Operation,
    Principal,
    PrincipalKind,
)
from aegis_kernel.testing.authorizer import key as key_of
from aegis_kernel.testing.doubles import ThreadExecutor
from tests.architecture.source import ROOT

PAGE = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```cedar\n(.*?)```", PAGE, re.DOTALL)
# Beside a forbid, so that what it leaves open is allowed.
ALL = "\npermit (principal, action, resource);"
IDS = re.findall(r'@id\("([^"]+)"\)', PAGE)


def human(subject: str, *groups: str) -> Principal:
    return Principal(subject=subject, kind=PrincipalKind.HUMAN, groups=frozenset(groups))


def service(subject: str) -> Principal:
    return Principal(subject=subject, kind=PrincipalKind.SERVICE)


def key(name: str = "k", algorithm: Algorithm = Algorithm.AES, **tags: str) -> Key:
    made = key_of("carol", KeyState.ACTIVE, tags=tags)
    size = {Algorithm.AES: 256, Algorithm.RSA: 2048}[algorithm]
    return replace(made, spec=KeySpec(name=name, algorithm=algorithm, size_bits=size))


def at(text: str) -> Circumstances:
    return Circumstances(at=datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def bound(*contexts: dict[str, str]) -> Circumstances:
    return Circumstances(contexts=contexts)


Op = Operation
NOBODY = human("mallory", "others")
# (id, who, operation, key, circumstances, allowed)
CASES: list[tuple[str, Principal, Operation, Key | None, Circumstances, bool]] = [
    ("custodians", human("a", "custodians"), Op.ROTATE, key(), Circumstances(), True),
    ("custodians", human("a", "custodians"), Op.GET, key(), Circumstances(), True),
    ("custodians", human("a", "custodians"), Op.DECRYPT, key(), Circumstances(), False),
    ("auditors", human("a", "auditors"), Op.GET, key(), Circumstances(), True),
    ("auditors", human("a", "auditors"), Op.LIST, None, Circumstances(), True),
    ("auditors", human("a", "auditors"), Op.ROTATE, key(), Circumstances(), False),
    ("creators", human("a", "platform"), Op.CREATE, None, Circumstances(), True),
    ("creators", NOBODY, Op.CREATE, None, Circumstances(), False),
    ("keys-of-the-app", service("billing"), Op.SIGN, key(app="billing"), Circumstances(), True),
    ("keys-of-the-app", human("billing"), Op.SIGN, key(app="billing"), Circumstances(), False),
    ("keys-of-the-app", service("billing"), Op.SIGN, key(app="mail"), Circumstances(), False),
    ("keys-of-the-app", service("billing"), Op.SIGN, key(), Circumstances(), False),
    ("keys-of-each-app", service("mail"), Op.ENCRYPT, key(app="mail"), Circumstances(), True),
    ("keys-of-each-app", service("mail"), Op.ENCRYPT, key(app="billing"), Circumstances(), False),
    ("collector-writes", service("collector"), Op.ENCRYPT, key("events"), Circumstances(), True),
    ("collector-writes", service("collector"), Op.DECRYPT, key("events"), Circumstances(), False),
    ("reporter-reads", service("reporter"), Op.DECRYPT, key("events"), Circumstances(), True),
    ("reporter-reads", service("reporter"), Op.DECRYPT, key("other"), Circumstances(), False),
    ("release-signing", human("alice"), Op.SIGN, key(), at("2026-12-31T23:59:59"), True),
    ("release-signing", human("alice"), Op.SIGN, key(), at("2027-01-01T00:00:00"), False),
    ("release-signing", human("bob"), Op.SIGN, key(), at("2026-12-31T00:00:00"), False),
    ("production-is-not-ended", human("carol"), Op.COMPROMISE, key(env="prod"), Circumstances(), False),
    ("production-is-not-ended", human("carol"), Op.COMPROMISE, key(env="test"), Circumstances(), True),
    (
        "production-is-not-ended", human("a", "custodians"), Op.SCHEDULE_DESTRUCTION,
        key(env="prod"), Circumstances(), True,
    ),
    ("not-at-night", human("a"), Op.ROTATE, key(), at("2026-11-24T07:00:00"), True),
    ("not-at-night", human("a"), Op.ROTATE, key(), at("2026-11-24T06:59:59"), False),
    ("not-at-night", human("a"), Op.ROTATE, key(), at("2026-11-24T19:00:00"), False),
    ("not-at-night", human("a"), Op.ROTATE, key(), at("2026-11-28T12:00:00"), False),
    ("not-at-night", service("a"), Op.ROTATE, key(), at("2026-11-28T12:00:00"), True),
    ("inner-network", human("a"), Op.SIGN, key(), Circumstances(source_ip="10.1.2.3"), True),
    ("inner-network", human("a"), Op.SIGN, key(), Circumstances(source_ip="192.0.2.1"), False),
    ("inner-network", human("a"), Op.SIGN, key(), Circumstances(), False),
    ("inner-network", human("a"), Op.GET, key(), Circumstances(), True),
    ("tenants-apart", human("a"), Op.DECRYPT, key(tenant="t"), bound({"tenant": "t"}), True),
    ("tenants-apart", human("a"), Op.DECRYPT, key(tenant="t"), bound({"tenant": "u"}), False),
    ("tenants-apart", human("a"), Op.DECRYPT, key(tenant="t"), bound({}), False),
    (
        "tenants-apart", human("a"), Op.DECRYPT, key(tenant="t"),
        bound({"tenant": "t"}, {"tenant": "u"}), False,
    ),
    ("tenants-apart", human("a"), Op.DECRYPT, key(), bound({}), True),
    ("context-required", human("a"), Op.ENCRYPT, key(), bound({"table": "", "purpose": ""}), True),
    ("context-required", human("a"), Op.ENCRYPT, key(), bound({"table": ""}), False),
    ("rsa-only-verifies", human("a"), Op.SIGN, key(algorithm=Algorithm.RSA), Circumstances(), False),
    ("rsa-only-verifies", human("a"), Op.VERIFY, key(algorithm=Algorithm.RSA), Circumstances(), True),
    ("rsa-only-verifies", human("a"), Op.SIGN, key(), Circumstances(), True),
]  # fmt: skip


def block_of(name: str) -> str:
    (block,) = (each for each in BLOCKS if f'@id("{name}")' in each)
    return f"{block}{ALL}" if "forbid (" in block else block


async def opened(file: Path, text: str) -> CedarAuthorizer:
    file.write_text(text)
    authorizer = CedarAuthorizer(CedarSettings(policy_file=file), ThreadExecutor())
    await authorizer.open()
    return authorizer


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[2]}-{case[5]}")
async def test_the_example_decides_so(case: Any, tmp_path: Path) -> None:
    name, who, operation, asked, circumstances, is_allowed = case
    authorizer = await opened(tmp_path / "it.cedar", block_of(name))
    decision = authorizer.decide(who, operation, asked, circumstances)
    assert decision.allowed is is_allowed
    if not is_allowed and "forbid (" in block_of(name):
        assert decision.reason == f"forbidden by policy {name}"


def test_there_are_a_dozen_and_each_is_seen_to_allow_and_to_deny() -> None:
    assert len(BLOCKS) >= 12
    assert sorted(set(IDS)) == sorted({case[0] for case in CASES})
    for name in IDS:
        assert {case[5] for case in CASES if case[0] == name} == {True, False}, name


async def test_together_they_are_one_good_set(tmp_path: Path) -> None:
    authorizer = await opened(tmp_path / "all.cedar", "".join(BLOCKS))
    read = await authorizer.read(None)
    assert [note.name for note in read.notes] == IDS
    assert list(read.warnings) == []


def test_the_page_names_what_the_schema_has() -> None:
    for block in ("Key {", "type Context ="):
        fields = re.search(rf"{re.escape(block)}(.*?)}}", schema_text(), re.DOTALL)
        assert fields is not None
        for name in re.findall(r"^\s*(\w+)\??:", fields[1], re.MULTILINE):
            kind = "resource" if block == "Key {" else "context"
            assert f"| `{kind}.{name}` |" in PAGE
