"""A list looks at the caller's own keys alone only where no policy lets the caller get another's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import combinations

import pytest
from aegis_authz_cedar import EXAMPLE, CedarAuthorizer

from aegis_kernel import Circumstances, KeyState, Operation, Principal, PrincipalKind
from aegis_kernel.testing.authorizer import key as key_of

Opener = Callable[..., Awaitable[CedarAuthorizer]]

ALICE = Principal(subject="alice", kind=PrincipalKind.HUMAN, groups=frozenset({"readers"}))
OWN = "permit (principal, action, resource is Key) when { resource.owner == principal.subject };"
KEY = 'Key::"0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"'
BOUND = [
    OWN,
    "permit (principal, action, resource is Key) when { principal.subject == resource.owner && context.weekday > 0 };",
    'permit (principal, action in Action::"use", resource);',
    'permit (principal, action in [Action::"Create", Action::"List"], resource);',
    'permit (principal in Group::"admins", action, resource);',
    'permit (principal == Human::"bob", action, resource);',
    'permit (principal == Service::"alice", action, resource);',
    "permit (principal is Service, action, resource);",
    'permit (principal is Human in Group::"admins", action, resource);',
    "forbid (principal, action, resource);",
]
FREE = [
    "permit (principal, action, resource);",
    'permit (principal, action == Action::"Get", resource);',
    'permit (principal, action in Action::"read", resource);',
    'permit (principal, action in [Action::"Sign", Action::"read"], resource);',
    'permit (principal == Human::"alice", action, resource);',
    'permit (principal in Group::"readers", action, resource);',
    "permit (principal is Human, action, resource);",
    'permit (principal is Human in Group::"readers", action, resource);',
    f"permit (principal, action, resource == {KEY});",
    'permit (principal, action, resource is Key) when { resource.owner == principal.subject || resource.name == "kit" };',
    "permit (principal, action, resource is Key) unless { resource.owner == principal.subject };",
    "permit (principal, action, resource is Key) when { !(resource.owner == principal.subject) };",
    "permit (principal, action, resource is Key) when { resource.owner == resource.owner };",
    "permit (principal, action, resource is Key) when { if resource.owner == principal.subject then true else true };",
]


@pytest.mark.parametrize("text", BOUND)
async def test_policies_that_reach_no_further_bound_a_list(opened: Opener, text: str) -> None:
    authorizer = await opened(text)
    assert authorizer.readable_owner(ALICE) == "alice"


@pytest.mark.parametrize("text", FREE)
async def test_policies_that_reach_further_do_not(opened: Opener, text: str) -> None:
    authorizer = await opened(text)
    other = key_of("bob", KeyState.ACTIVE)
    assert authorizer.decide(ALICE, Operation.GET, other, Circumstances()).allowed
    assert authorizer.readable_owner(ALICE) is None


async def test_one_that_reaches_further_is_enough(opened: Opener) -> None:
    for one, other in combinations(BOUND, 2):
        assert (await opened(one + other)).readable_owner(ALICE) == "alice"
    for free in FREE:
        assert (await opened(OWN + free)).readable_owner(ALICE) is None


async def test_the_example_bounds_all_but_admins(opened: Opener) -> None:
    authorizer = await opened(EXAMPLE.read_text())
    admin = Principal(subject="root", kind=PrincipalKind.SERVICE, groups=frozenset({"admins"}))
    assert authorizer.readable_owner(ALICE) == "alice"
    assert authorizer.readable_owner(admin) is None
