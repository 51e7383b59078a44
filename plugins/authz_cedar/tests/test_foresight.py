"""What policies would have decided, where not everything is known of the question."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from aegis_authz_cedar import CedarAuthorizer

from aegis_kernel import (
    Circumstances,
    Foreseen,
    KeyState,
    Operation,
    Principal,
    PrincipalKind,
    Question,
)
from aegis_kernel.testing.authorizer import key as key_of

Opener = Callable[..., Awaitable[CedarAuthorizer]]

KEY = key_of("alice", KeyState.ACTIVE, tags={"env": "prod"})


async def foresee(
    opened: Opener,
    text: str,
    *groups: str,
    subject: str = "bob",
    knows_groups: bool = False,
    knows_contexts: bool = False,
) -> Foreseen:
    authorizer = await opened(text)
    asked = Question(
        principal=Principal(subject=subject, kind=PrincipalKind.HUMAN, groups=frozenset(groups)),
        operation=Operation.ENCRYPT,
        key=KEY,
        circumstances=Circumstances(),
        knows_groups=knows_groups,
        knows_contexts=knows_contexts,
    )
    policies = await authorizer.read(None)
    first = policies.foresee(asked)
    assert policies.foresee(asked) == first
    return first


def said(foreseen: Foreseen) -> tuple[bool | None, str | None]:
    decision = foreseen.decision
    return (decision.allowed, decision.reason) if decision else (None, foreseen.lacks)


ADMINS = '@id("admins") permit (principal in Group::"admins", action, resource);'
OWNERS = (
    '@id("own") permit (principal, action, resource is Key)'
    " when { resource.owner == principal.subject };"
)
TENANT = (
    '@id("tenant") permit (principal, action in Action::"use", resource)'
    ' when { context.encryptionContext.hasTag("tenant") };'
)
KEYS = (
    '@id("keys") forbid (principal, action in Action::"use", resource)'
    ' when { context.encryptionContextKeys.contains("debug") };'
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ADMINS, (None, "groups")),
        (OWNERS, (False, "no policy permits")),
        (ADMINS + OWNERS, (None, "groups")),
        (TENANT, (None, "encryption context")),
        (TENANT + "permit (principal, action, resource);", (True, "permitted by policy policy1")),
        (
            TENANT + '@id("no") forbid (principal == Human::"bob", action, resource);',
            (False, "forbidden by policy no"),
        ),
        (KEYS, (False, "no policy permits")),
        (KEYS + "permit (principal, action, resource);", (None, "encryption context")),
        # Only in both groups at once, so that neither alone shows it.
        (
            'permit (principal in Group::"a", action, resource)'
            ' when { principal in Group::"b" && !(principal in Group::"c") };',
            (None, "groups"),
        ),
    ],
)
async def test_what_cannot_be_told_is_named_and_all_else_is_decided(
    opened: Opener, text: str, expected: tuple[bool | None, str]
) -> None:
    assert said(await foresee(opened, text)) == expected


async def test_with_the_groups_known_they_count(opened: Opener) -> None:
    assert said(await foresee(opened, ADMINS, "admins", knows_groups=True)) == (
        True,
        "permitted by policy admins",
    )
    assert said(await foresee(opened, ADMINS, knows_groups=True)) == (False, "no policy permits")


async def test_a_subject_that_would_break_the_syntax_is_only_a_name(opened: Opener) -> None:
    for subject in ('bo"b', "bo\\b", '\\"', 'x"),Group::"admins'):
        assert (
            said(await foresee(opened, TENANT + OWNERS, subject=subject))[1] == "encryption context"
        )
