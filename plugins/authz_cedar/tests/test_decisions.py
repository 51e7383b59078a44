"""What policies see, what a decision says, and what it is kept under."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from aegis_authz_cedar import CedarAuthorizer

from aegis_kernel import (
    Circumstances,
    Decision,
    Key,
    KeyState,
    Operation,
    Principal,
    PrincipalKind,
)
from aegis_kernel.testing.authorizer import key as key_of

Opener = Callable[..., Awaitable[CedarAuthorizer]]

ALICE = Principal(subject="alice", kind=PrincipalKind.HUMAN, groups=frozenset({"readers"}))
KEY = key_of("alice", KeyState.ACTIVE, name="orders", tags={"env": "prod"})
TUESDAY = datetime(2026, 11, 24, 9, 30, 0, 700_000, tzinfo=UTC).timestamp()


async def decide(
    opened: Opener,
    condition: str,
    circumstances: Circumstances | None = None,
    key: Key | None = KEY,
    operation: Operation = Operation.SIGN,
) -> Decision:
    authorizer = await opened(
        f'@id("it") permit (principal, action, resource is Key) when {{ {condition} }};\n'
        f"permit (principal, action, resource is Server) when {{ context has now }};"
    )
    return authorizer.decide(ALICE, operation, key, circumstances or Circumstances(at=TUESDAY))


@pytest.mark.parametrize(
    "condition",
    [
        'principal == Human::"alice"',
        'principal.subject == "alice"',
        'principal in Group::"readers"',
        'resource == Key::"0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"',
        'resource.owner == "alice"',
        'resource.name == "orders"',
        'resource.algorithm == Algorithm::"AES"',
        'resource.state == State::"Active"',
        "resource.disabled == false",
        'resource.hasTag("env") && resource.getTag("env") == "prod"',
        'context.now == datetime("2026-11-24T09:30:00Z")',
        'context.now.toTime() >= duration("9h") && context.now.toTime() < duration("17h")',
        "context.weekday == 2",
        'context has sourceIp && context.sourceIp.isInRange(ip("192.0.2.0/24"))',
        'context.encryptionContextKeys.contains("tenant")',
        'context.encryptionContext.hasTag("tenant") && context.encryptionContext.getTag("tenant") == "acme"',
        'context has belongsTo && context.belongsTo == "bob"',
    ],
)
async def test_a_policy_sees_it(opened: Opener, condition: str) -> None:
    circumstances = Circumstances(
        at=TUESDAY, source_ip="192.0.2.7", contexts=({"tenant": "acme"},), belongs_to="bob"
    )
    assert await decide(opened, condition, circumstances) == Decision(
        True, "permitted by policy it"
    )
    assert not (await decide(opened, f"!({condition})", circumstances)).allowed


@pytest.mark.parametrize("address", [None, "", "unix:", "10.0.0.1.2"])
async def test_what_is_no_address_is_absent(opened: Opener, address: str | None) -> None:
    circumstances = Circumstances(source_ip=address)
    assert not (await decide(opened, "context has sourceIp", circumstances)).allowed


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "::ffff:10.1.2.3%eth0"])
async def test_an_ipv4_address_is_one_however_the_socket_spells_it(
    opened: Opener, address: str
) -> None:
    condition = 'context has sourceIp && context.sourceIp.isInRange(ip("10.0.0.0/8"))'
    assert (await decide(opened, condition, Circumstances(source_ip=address))).allowed


async def test_a_denial_names_the_forbid_and_is_final(opened: Opener) -> None:
    authorizer = await opened(
        '@id("all") permit (principal, action, resource);\n'
        '@id("frozen") forbid (principal, action in Action::"use", resource);\n'
        'forbid (principal, action == Action::"Rotate", resource);'
    )
    sign = authorizer.decide(ALICE, Operation.SIGN, KEY, Circumstances())
    assert sign == Decision(False, "forbidden by policy frozen", final=True)
    rotate = authorizer.decide(ALICE, Operation.ROTATE, KEY, Circumstances())
    assert rotate == Decision(False, "forbidden by policy policy2", final=True)
    get = authorizer.decide(ALICE, Operation.GET, KEY, Circumstances())
    assert get == Decision(True, "permitted by policy all")


async def test_what_no_policy_permits_is_denied_and_a_grant_may_lift_it(opened: Opener) -> None:
    authorizer = await opened('permit (principal == Human::"bob", action, resource);')
    said = authorizer.decide(ALICE, Operation.SIGN, KEY, Circumstances())
    assert said == Decision(False, "no policy permits", final=False)


async def test_a_service_is_no_human_of_the_same_name(opened: Opener) -> None:
    authorizer = await opened('permit (principal == Human::"alice", action, resource);')
    service = Principal(subject="alice", kind=PrincipalKind.SERVICE)
    assert authorizer.decide(ALICE, Operation.SIGN, KEY, Circumstances()).allowed
    assert not authorizer.decide(service, Operation.SIGN, KEY, Circumstances()).allowed


async def test_a_batch_is_allowed_only_with_each_of_its_contexts(opened: Opener) -> None:
    condition = 'context.encryptionContext.hasTag("a")'
    for contexts, is_allowed in (
        (({"a": "1"}, {"a": "2"}), True),
        (({"a": "1"}, {}), False),
        (({}, {"a": "1"}), False),
        (({"b": "1"},) * 500, False),
        (({"a": "1"},) * 500, True),
        ((), False),
    ):
        said = await decide(opened, condition, Circumstances(contexts=contexts))
        assert said.allowed is is_allowed


async def test_a_forbid_of_one_item_outweighs_the_permits_of_the_others(opened: Opener) -> None:
    authorizer = await opened(
        'permit (principal, action, resource) when { context.encryptionContext.hasTag("a") };'
        '@id("no-b") forbid (principal, action, resource) when { context.encryptionContext.hasTag("b") };'
    )
    contexts: tuple[dict[str, str], ...] = ({"a": ""}, {}, {"a": "", "b": ""})
    said = authorizer.decide(ALICE, Operation.ENCRYPT, KEY, Circumstances(contexts=contexts))
    assert said == Decision(False, "forbidden by policy no-b", final=True)


async def test_a_policy_that_cannot_be_evaluated_denies_for_good(opened: Opener) -> None:
    # Only a question that the kernel never asks can bring it about: signing without a key.
    authorizer = await opened(
        "permit (principal, action, resource);"
        'forbid (principal, action == Action::"Sign", resource) when { resource.owner == "bob" };'
    )
    said = authorizer.decide(ALICE, Operation.SIGN, None, Circumstances())
    assert said == Decision(False, "a policy cannot be evaluated", final=True)


@pytest.mark.parametrize(
    ("condition", "one", "other"),
    [
        ('resource.owner == "bob"', KEY, key_of("bob", KeyState.ACTIVE)),
        ('resource.state == State::"Deactivated"', KEY, key_of("alice", KeyState.DEACTIVATED)),
        ('resource.name == "b"', KEY, key_of("alice", KeyState.ACTIVE, name="b")),
        (
            'resource.hasTag("x")',
            key_of("alice", KeyState.ACTIVE, tags={"y": "x"}),
            key_of("alice", KeyState.ACTIVE, tags={"x": "y"}),
        ),
        ("context.weekday == 3", Circumstances(at=TUESDAY), Circumstances(at=TUESDAY + 86_400)),
        (
            'context.now == datetime("2026-11-24T09:30:01Z")',
            Circumstances(at=TUESDAY),
            Circumstances(at=TUESDAY + 1),
        ),
        (
            "context has sourceIp && context.sourceIp.isLoopback()",
            Circumstances(source_ip="192.0.2.1"),
            Circumstances(source_ip="127.0.0.1"),
        ),
        ("context has belongsTo", Circumstances(), Circumstances(belongs_to="a")),
        (
            'context.encryptionContextKeys.contains("b")',
            Circumstances(contexts=({"a": "1"},)),
            Circumstances(contexts=({"b": "1"},)),
        ),
        (
            'context.encryptionContext.hasTag("a") && context.encryptionContext.getTag("a") == "2"',
            Circumstances(contexts=({"a": "1"},)),
            Circumstances(contexts=({"a": "2"},)),
        ),
        (
            '(if context has sourceIp then resource.owner else resource.name) == "kit"',
            Circumstances(source_ip="192.0.2.1"),
            Circumstances(),
        ),
        (
            '(if true then resource else resource).owner == "bob"',
            KEY,
            key_of("bob", KeyState.ACTIVE),
        ),
    ],
)
async def test_a_decision_kept_for_one_is_not_given_to_another(
    opened: Opener, condition: str, one: Key | Circumstances, other: Key | Circumstances
) -> None:
    authorizer = await opened(
        f'permit (principal, action in Action::"use", resource) when {{ {condition} }};'
    )
    for asked, is_allowed in ((one, False), (other, True), (one, False), (other, True)):
        key = asked if isinstance(asked, Key) else key_of("carol", KeyState.ACTIVE)
        circumstances = asked if isinstance(asked, Circumstances) else Circumstances()
        said = authorizer.decide(ALICE, Operation.SIGN, key, circumstances)
        assert said.allowed is is_allowed


async def test_what_no_policy_looks_at_makes_no_new_decision(opened: Opener) -> None:
    authorizer = await opened("permit (principal, action, resource);")
    first = authorizer.decide(ALICE, Operation.SIGN, KEY, Circumstances())
    other = key_of("bob", KeyState.DESTROYED, tags={"a": "b"})
    again = authorizer.decide(
        ALICE, Operation.SIGN, other, Circumstances(at=7.0, source_ip="::1", contexts=({"a": "b"},))
    )
    assert again is first


async def test_the_decisions_kept_are_bounded(opened: Opener) -> None:
    authorizer = await opened("permit (principal, action, resource);", cache_decisions=2)
    asked = [Principal(subject=name, kind=PrincipalKind.HUMAN) for name in "abc"]
    first = [authorizer.decide(each, Operation.GET, KEY, Circumstances()) for each in asked]
    assert authorizer.decide(asked[2], Operation.GET, KEY, Circumstances()) is first[2]
    assert authorizer.decide(asked[0], Operation.GET, KEY, Circumstances()) is not first[0]
