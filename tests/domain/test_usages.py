"""What a key is created for, and that the law refuses the rest."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from aegis_kernel.domain.errors import BadRequestError, IllegalOperationError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import LAW, USAGES, KeyState, Operation, permit
from aegis_kernel.domain.spec import USAGES_OF, Algorithm, Curve, KeySpec
from aegis_kernel.domain.usage import Usage
from tests.domain.test_lifecycle import key_in

MANAGEMENT = {
    Operation.CREATE,
    Operation.GET,
    Operation.GET_PUBLIC_KEY,
    Operation.LIST,
    Operation.ACTIVATE,
    Operation.DEACTIVATE,
    Operation.COMPROMISE,
    Operation.DISABLE,
    Operation.ENABLE,
    Operation.ROTATE,
    Operation.SCHEDULE_DESTRUCTION,
    Operation.CANCEL_DESTRUCTION,
    Operation.DESTROY,
    Operation.AUTHENTICATE,
    Operation.RANDOM,
    Operation.ROTATE_MASTER,
    Operation.BACK_UP,
    Operation.RESTORE,
    Operation.ACTIVATE_POLICY,
    Operation.UPDATE,
    Operation.COMPROMISE_VERSION,
    Operation.LIST_VERSIONS,
    Operation.ANNOUNCE_ROTATION,
    Operation.SET_ALIAS,
    Operation.DELETE_ALIAS,
    Operation.LIST_ALIASES,
    Operation.CREATE_IMPORT_TOKEN,
    Operation.IMPORT,
    Operation.ISSUE_AGENT,
    Operation.GET_AGENT,
    Operation.LIST_AGENTS,
    Operation.REVOKE_AGENT,
    Operation.REVOKE_AGENTS,
    Operation.CREATE_GRANT,
    Operation.LIST_GRANTS,
    Operation.RETIRE_GRANT,
}
SIZE = {Algorithm.AES: 256, Algorithm.RSA: 2048, Algorithm.HMAC: 256}
CURVE = {Algorithm.EC: Curve.P256, Algorithm.EDDSA: Curve.ED25519}


def spec_of(algorithm: Algorithm, *usages: Usage) -> KeySpec:
    return KeySpec(
        name="demo",
        algorithm=algorithm,
        size_bits=SIZE.get(algorithm),
        curve=CURVE.get(algorithm),
        usages=frozenset(usages),
    )


def key_for(*usages: Usage, state: KeyState = KeyState.ACTIVE) -> Key:
    return replace(key_in(state), spec=spec_of(Algorithm.AES, *usages))


def test_no_operation_that_computes_with_a_key_is_left_out() -> None:
    assert set(USAGES) == set(Operation) - MANAGEMENT
    assert {usage for usages in USAGES.values() for usage in usages} == set(Usage)


def test_a_usage_is_called_like_its_operation() -> None:
    for operation, usages in USAGES.items():
        assert usages[0] == operation[0].lower() + operation[1:]


def test_every_usage_is_something_that_some_algorithm_can() -> None:
    assert set().union(*USAGES_OF.values()) == set(Usage)
    assert set(USAGES_OF) == set(Algorithm)


@pytest.mark.parametrize("usage", Usage)
@pytest.mark.parametrize("algorithm", SIZE | CURVE)
def test_only_what_the_algorithm_can_is_a_usage(algorithm: Algorithm, usage: Usage) -> None:
    if usage in USAGES_OF[algorithm]:
        assert spec_of(algorithm, usage).usages == {usage}
        return
    with pytest.raises(BadRequestError, match=f"cannot {usage}"):
        spec_of(algorithm, usage)


def test_a_key_for_nothing_is_no_key() -> None:
    with pytest.raises(BadRequestError, match="at least one"):
        spec_of(Algorithm.AES)


@pytest.mark.parametrize("usage", sorted(USAGES_OF[Algorithm.AES] - {Usage.WRAP_RFC5649}))
def test_rfc5649_stands_alone(usage: Usage) -> None:
    with pytest.raises(BadRequestError, match="no other usage"):
        spec_of(Algorithm.AES, Usage.WRAP_RFC5649, usage)


@pytest.mark.parametrize("usage", sorted(USAGES_OF[Algorithm.AES]))
def test_a_key_with_one_usage_does_that_and_nothing_else(usage: Usage) -> None:
    key = key_for(usage)
    for operation, usages in USAGES.items():
        if usage in usages:
            permit(key, operation)
            continue
        with pytest.raises(IllegalOperationError) as refused:
            permit(key, operation)
        assert refused.value.message.startswith(f"Cannot {LAW[operation].phrase} a key whose ")
        assert refused.value.reason == f"usages leave out {usages[0]}"


@pytest.mark.parametrize("operation", sorted(MANAGEMENT - {Operation.ENABLE}))
def test_what_is_not_cryptographic_needs_no_usage(operation: Operation) -> None:
    for state in LAW[operation].states:
        scheduled = operation in (Operation.CANCEL_DESTRUCTION, Operation.DESTROY)
        key = replace(key_in(state, scheduled=scheduled), spec=key_for(Usage.ENCRYPT).spec)
        permit(key, operation)


def test_the_state_is_refused_before_the_usage() -> None:
    with pytest.raises(IllegalOperationError, match="in state Compromised"):
        permit(key_for(Usage.ENCRYPT, state=KeyState.COMPROMISED), Operation.WRAP)


def test_a_refusal_says_which_usage_is_missing() -> None:
    with pytest.raises(
        IllegalOperationError, match=r"^Cannot sign with a key whose usages leave out sign$"
    ):
        permit(key_for(Usage.ENCRYPT), Operation.SIGN)
