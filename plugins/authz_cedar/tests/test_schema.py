from __future__ import annotations

from collections.abc import Awaitable, Callable

import cedarpy
import pytest
from aegis_authz_cedar import CedarAuthorizer, schema_text
from aegis_authz_cedar.schema import groups_of, names_a_key

from aegis_kernel import Circumstances, KeyState, Operation, Principal, PrincipalKind
from aegis_kernel.testing.authorizer import key as key_of

Opener = Callable[..., Awaitable[CedarAuthorizer]]

ALICE = Principal(subject="alice", kind=PrincipalKind.HUMAN)
KEY = key_of("alice", KeyState.ACTIVE)


def test_the_schema_is_one_that_cedar_reads() -> None:
    assert str(cedarpy.Schema.from_str(schema_text()))


@pytest.mark.parametrize("operation", Operation)
async def test_every_operation_can_be_permitted_by_its_name_alone(
    opened: Opener, operation: Operation
) -> None:
    authorizer = await opened(
        f'permit (principal, action == Action::"{operation.value}", resource);'
    )
    key = KEY if names_a_key(operation) else None
    assert authorizer.decide(ALICE, operation, key, Circumstances()).allowed
    other = next(each for each in Operation if each is not operation)
    assert not authorizer.decide(ALICE, other, KEY, Circumstances()).allowed


@pytest.mark.parametrize("group", ["read", "use", "protect", "process", "manage"])
async def test_a_group_permits_the_operations_in_it_and_no_other(
    opened: Opener, group: str
) -> None:
    authorizer = await opened(f'permit (principal, action in Action::"{group}", resource);')
    allowed = {o for o in Operation if authorizer.decide(ALICE, o, KEY, Circumstances()).allowed}
    within = ("protect", "process") if group == "use" else (group,)
    assert allowed == {o for o in Operation if set(groups_of(o)) & set(within)}
    assert allowed


def test_every_operation_on_a_key_is_in_exactly_one_group() -> None:
    for operation in Operation:
        assert len(groups_of(operation)) == (1 if names_a_key(operation) else 0)


@pytest.mark.parametrize(
    ("operation", "group"),
    [
        (Operation.GET, "read"),
        (Operation.GET_PUBLIC_KEY, "read"),
        (Operation.LIST_VERSIONS, "read"),
        (Operation.SIGN, "protect"),
        (Operation.GENERATE_DATA_KEY, "protect"),
        (Operation.DECRYPT, "process"),
        (Operation.REENCRYPT, "process"),
        (Operation.ROTATE, "manage"),
        (Operation.IMPORT, "manage"),
        (Operation.SET_ALIAS, "manage"),
    ],
)
def test_operations_are_where_one_looks_for_them(operation: Operation, group: str) -> None:
    assert groups_of(operation) == (group,)
