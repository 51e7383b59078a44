"""The law, cell by cell: every operation in every state, disabled or not, scheduled or not."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest

from aegis_kernel.domain.errors import IllegalOperationError
from aegis_kernel.domain.key import Key, KeyId, KeyVersion
from aegis_kernel.domain.lifecycle import LAW, KeyState, Operation, permit
from aegis_kernel.domain.spec import Algorithm, KeySpec

NOW = datetime(2026, 5, 9, 1, 23, 45, tzinfo=UTC)

# Written from the design's prose, not from the table: P A D C X are the states in order;
# then whether a disabled key may, and whether a key scheduled for destruction may, must, or may not.
EXPECTED = """
Sign                 . A . . .   no   no
Encrypt              . A . . .   no   no
Wrap                 . A . . .   no   no
GenerateDataKey      . A . . .   no   no
GenerateDataKeyWrappedOnly      . A . . .   no   no
GenerateDataKeyPair  . A . . .   no   no
GenerateDataKeyPairWrappedOnly  . A . . .   no   no
Mac                  . A . . .   no   no
Derive               . A . . .   no   no
Verify               . A D . .   no   no
Decrypt              . A D . .   no   no
Unwrap               . A D . .   no   no
VerifyMac            . A D . .   no   no
ReEncrypt            . A D . .   no   no
Encapsulate          . A . . .   no   no
Decapsulate          . A D . .   no   no
Activate             P . . . .   no   no
Deactivate           . A . . .   no   no
Rotate               . A . . .   no   no
CreateImportToken    P A . . .   no   no
Import               P A . . .   no   no
Compromise           P A D . .   yes  may
Disable              P A D C .   no   no
Enable               P A D C .   yes  may
ScheduleDestruction  P A D C .   yes  no
CancelDestruction    P A D C .   no   must
Destroy              P A D C .   yes  must
Get                  P A D C X   yes  may
GetPublicKey         P A D C .   yes  may
ListVersions         P A D C X   yes  may
CompromiseVersion    P A D . .   yes  may
Update               P A D C .   yes  may
AnnounceRotation     . A . . .   no   no
SetAlias             P A D C .   yes  may
DeleteAlias          P A D C X   yes  may
CreateGrant          P A D . .   no   no
RetireGrant          P A D C X   yes  may
ListGrants           P A D C X   yes  may
"""

ROWS = {
    Operation(cells[0]): ("".join(cells[1:6]), cells[6], cells[7])
    for cells in (line.split() for line in EXPECTED.strip().splitlines())
}
LETTERS = dict(zip(KeyState, "PADCX", strict=True))
KEYLESS = {
    Operation.CREATE,
    Operation.LIST,
    Operation.LIST_ALIASES,
    Operation.AUTHENTICATE,
    Operation.RANDOM,
    Operation.ROTATE_MASTER,
    Operation.BACK_UP,
    Operation.RESTORE,
    Operation.ACTIVATE_POLICY,
    Operation.ISSUE_AGENT,
    Operation.GET_AGENT,
    Operation.LIST_AGENTS,
    Operation.REVOKE_AGENT,
    Operation.REVOKE_AGENTS,
}


def key_in(state: KeyState, *, disabled: bool = False, scheduled: bool = False) -> Key:
    return Key(
        id=KeyId("8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"),
        spec=KeySpec(name="demo", algorithm=Algorithm.AES, size_bits=256),
        state=state,
        owner="alice",
        versions=(KeyVersion(1, state, NOW, "inmemory"),),
        created_at=NOW,
        disabled=disabled,
        destroy_at=NOW if scheduled else None,
    )


def expected(operation: Operation, state: KeyState, disabled: bool, scheduled: bool) -> bool:
    states, while_disabled, while_scheduled = ROWS[operation]
    if LETTERS[state] not in states:
        return False
    if disabled and while_disabled == "no":
        return False
    if scheduled and while_scheduled == "no":
        return False
    if not scheduled and while_scheduled == "must":
        return False
    return disabled or operation is not Operation.ENABLE


def test_the_table_has_a_row_for_every_operation() -> None:
    assert set(LAW) == set(Operation)
    assert set(ROWS) == set(Operation) - KEYLESS


@pytest.mark.parametrize("operation", sorted(ROWS))
def test_the_law_is_what_the_design_says_in_every_cell(operation: Operation) -> None:
    for state, disabled, scheduled in product(KeyState, (False, True), (False, True)):
        key = key_in(state, disabled=disabled, scheduled=scheduled)
        if expected(operation, state, disabled, scheduled):
            permit(key, operation)
            continue
        with pytest.raises(IllegalOperationError) as refused:
            permit(key, operation)
        assert refused.value.message.startswith("Cannot ")
        assert refused.value.reason


def test_refusals_read_as_the_walkthrough_shows_them() -> None:
    with pytest.raises(IllegalOperationError) as refused:
        permit(key_in(KeyState.COMPROMISED), Operation.SIGN)
    assert refused.value.message == "Cannot sign with key in state Compromised"
    assert refused.value.reason == "key state=Compromised"


def test_a_disabled_and_a_scheduled_key_say_so() -> None:
    with pytest.raises(IllegalOperationError, match=r"^Cannot sign with a disabled key$"):
        permit(key_in(KeyState.ACTIVE, disabled=True), Operation.SIGN)
    with pytest.raises(
        IllegalOperationError, match=r"^Cannot verify with a key scheduled for destruction$"
    ):
        permit(key_in(KeyState.DEACTIVATED, scheduled=True), Operation.VERIFY)
