"""A grant lets somebody use a key who otherwise might not: so much, so long, and no longer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aegis_kernel.domain.errors import (
    BadRequestError,
    DecryptionFailedError,
    IllegalOperationError,
    NotFoundError,
    PermissionDeniedError,
)
from aegis_kernel.domain.grant import GRANTABLE, MAX_GRANTS, GrantId
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import Principal, PrincipalKind
from aegis_kernel.domain.scope import SCOPABLE, Scope
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, Curve, SignatureAlgorithm
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.faults import Faults
from aegis_kernel.engine.guards import GuardedAuthorizer
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations import messages_agents as am
from aegis_kernel.engine.operations import messages_grants as gm
from aegis_kernel.engine.operations.batch import Batch, in_batch
from aegis_kernel.engine.operations.declaration import Caller, Terms
from aegis_kernel.engine.operations.messages_public_keys import GetPublicKey
from aegis_kernel.engine.operations.messages_secrets import ReEncrypt
from aegis_kernel.spi.authorizer import Circumstances, Decision
from aegis_kernel.testing.doubles import ManualClock
from tests.support.grants import aes, encrypt, grant, listed, retire
from tests.support.kernel import ALICE, BOB, active_key, last_record
from tests.support.kernel import settings as kernel_settings

CAROL = Caller(Principal(subject="carol", kind=PrincipalKind.SERVICE))
USE = frozenset({Operation.ENCRYPT, Operation.DECRYPT})
UNKNOWN = GrantId("8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def kernel(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Kernel]:
    async with Kernel(kernel_settings(tmp_path), clock) as running:
        yield running


async def is_refused(kernel: Kernel, run: Any) -> str:
    """Await what must be refused, and return the reason in its record."""
    with pytest.raises(PermissionDeniedError) as refused:
        await run
    told = ("retired", "expired", "context", "left", "owner", "polic")
    assert not [word for word in told if word in refused.value.message]
    return str((await last_record(kernel))["reason"])


async def test_a_grant_gives_its_operations_to_its_grantee_and_the_record_names_it(
    kernel: Kernel,
) -> None:
    key_id, other = await aes(kernel), await aes(kernel)
    given = await grant(kernel, key_id)
    created = await last_record(kernel)
    assert (created["op"], created["grantId"]) == ("GrantCreated", given.id)
    assert created["reason"] == "Encrypt to bob"
    sealed = await encrypt(kernel, BOB, key_id)
    used = await last_record(kernel)
    assert (used["actor"], used["outcome"], used["grantId"]) == ("bob", "Success", given.id)
    opened = m.Decrypt(sealed.ciphertext)
    await is_refused(kernel, kernel.pipeline.run(op.DECRYPT, BOB, opened, key_id))
    await is_refused(kernel, encrypt(kernel, CAROL, key_id))
    await is_refused(kernel, encrypt(kernel, BOB, other))
    await encrypt(kernel, ALICE, key_id)
    assert "grantId" not in await last_record(kernel)


async def test_a_retired_one_an_expired_one_and_another_context_refuse_alike(
    kernel: Kernel, clock: ManualClock
) -> None:
    key_id = await aes(kernel)
    given = await grant(kernel, key_id, ttl_seconds=60, context={"tenant": "acme"})
    await encrypt(kernel, BOB, key_id, tenant="acme", more="yes")
    bound = f"not an admin and not the key's owner; grant {given.id} is for another context"
    assert await is_refused(kernel, encrypt(kernel, BOB, key_id)) == bound
    assert await is_refused(kernel, encrypt(kernel, BOB, key_id, tenant="acme2")) == bound
    clock.advance(60)
    reason = await is_refused(kernel, encrypt(kernel, BOB, key_id, tenant="acme"))
    assert reason.endswith(f"grant {given.id} expired")
    fresh = await grant(kernel, key_id)
    await encrypt(kernel, BOB, key_id)
    await retire(kernel, key_id, fresh)
    retired = await last_record(kernel)
    assert (retired["op"], retired["grantId"]) == ("GrantRetired", fresh.id)
    reason = await is_refused(kernel, encrypt(kernel, BOB, key_id))
    assert reason.endswith(f"grant {fresh.id} retired")
    assert [each.ended for each in await listed(kernel, key_id)] == ["expired", "retired"]


async def test_a_grant_is_good_until_the_very_second_that_it_names(
    kernel: Kernel, clock: ManualClock
) -> None:
    key_id = await aes(kernel)
    ends = kernel.pipeline._bench.now() + timedelta(seconds=5)
    given = await grant(kernel, key_id, expires_at=ends)
    assert given.expires_at == ends.replace(microsecond=0)
    clock.step(given.expires_at.timestamp() - clock.time() - 0.001)
    await encrypt(kernel, BOB, key_id)
    clock.advance(0.001)
    await is_refused(kernel, encrypt(kernel, BOB, key_id))


async def test_one_that_expires_while_the_key_is_used_releases_nothing(
    kernel: Kernel, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_id = await aes(kernel)
    await grant(kernel, key_id, ttl_seconds=60)
    act = kernel.pipeline._stage.act

    async def slowly(job: Any, view: Any) -> Any:
        effect = await act(job, view)
        clock.advance(60)
        return effect

    monkeypatch.setattr(kernel.pipeline._stage, "act", slowly)
    assert (await is_refused(kernel, encrypt(kernel, BOB, key_id))).endswith(" expired")


async def test_a_counted_grant_gives_so_many_uses_and_a_failure_is_none(kernel: Kernel) -> None:
    key_id = await aes(kernel)
    given = await grant(kernel, key_id, Operation.ENCRYPT, Operation.DECRYPT, max_uses=2)
    sealed = await encrypt(kernel, BOB, key_id)
    assert (await last_record(kernel))["grantId"] == given.id
    damaged = m.Decrypt(sealed.ciphertext[:-1] + bytes([sealed.ciphertext[-1] ^ 1]))
    with pytest.raises(DecryptionFailedError):
        await kernel.pipeline.run(op.DECRYPT, BOB, damaged, key_id)
    assert [each.used for each in await listed(kernel, key_id)] == [1]
    tried = await kernel.pipeline.try_out(op.ENCRYPT, BOB, m.Encrypt(Secret(b"x")), key_id)
    assert (tried.allowed, tried.reason) == (True, f"grant {given.id}; key state=Active")
    await encrypt(kernel, BOB, key_id)
    reason = await is_refused(kernel, encrypt(kernel, BOB, key_id))
    assert reason.endswith(f"grant {given.id} has 0 uses left of 1 wanted")
    (answer,) = await listed(kernel, key_id)
    assert (answer.used, answer.ended) == (2, "used up")
    tried = await kernel.pipeline.try_out(op.ENCRYPT, BOB, m.Encrypt(Secret(b"x")), key_id)
    assert not tried.allowed
    assert not kernel.pipeline._bench.grants.turns.held


async def test_one_without_a_count_is_used_first_and_counted_ones_in_their_order(
    kernel: Kernel,
) -> None:
    key_id = await aes(kernel)
    first = await grant(kernel, key_id, max_uses=1)
    second = await grant(kernel, key_id, max_uses=1)
    free = await grant(kernel, key_id)
    for expected in (free, free):
        await encrypt(kernel, BOB, key_id)
        assert (await last_record(kernel))["grantId"] == expected.id
    await retire(kernel, key_id, free)
    for expected in (first, second):
        await encrypt(kernel, BOB, key_id)
        assert (await last_record(kernel))["grantId"] == expected.id
    await is_refused(kernel, encrypt(kernel, BOB, key_id))


async def test_each_item_of_a_batch_is_one_use_and_a_batch_beyond_what_is_left_is_none(
    kernel: Kernel,
) -> None:
    key_id = await aes(kernel)
    given = await grant(kernel, key_id, max_uses=5, context={"tenant": "acme"})
    item = m.Encrypt(Secret(b"hello"), {"tenant": "acme"})
    run, batch = kernel.pipeline.run, in_batch(op.ENCRYPT)
    answered = await run(batch, BOB, Batch((item,) * 3), key_id)
    assert len(answered.items) == 3
    record = await last_record(kernel)
    assert (record["count"], record["grantId"]) == (3, given.id)
    reason = await is_refused(kernel, run(batch, BOB, Batch((item,) * 3), key_id))
    assert reason.endswith("has 2 uses left of 3 wanted")
    stray = m.Encrypt(Secret(b"hello"), {"tenant": "other"})
    await is_refused(kernel, run(batch, BOB, Batch((item, stray)), key_id))
    await run(batch, BOB, Batch((item,) * 2), key_id)
    assert [each.used for each in await listed(kernel, key_id)] == [5]


async def test_a_reencryption_needs_a_grant_of_either_key_and_counts_each_once(
    kernel: Kernel,
) -> None:
    source, target = await aes(kernel), await aes(kernel)
    sealed = (await encrypt(kernel, ALICE, source)).ciphertext
    request = ReEncrypt(ciphertext=sealed, destination_key_id=target)
    run = kernel.pipeline.run
    of_source = await grant(kernel, source, Operation.REENCRYPT, max_uses=3)
    await is_refused(kernel, run(op.REENCRYPT, BOB, request, source))
    of_target = await grant(kernel, target, Operation.REENCRYPT, max_uses=1)
    await run(op.REENCRYPT, BOB, request, source)
    record = await last_record(kernel)
    assert (record["grantId"], record["destinationGrantId"]) == (of_source.id, of_target.id)
    await is_refused(kernel, run(op.REENCRYPT, BOB, request, source))
    # Both keys may be one: that is one use of it.
    await run(op.REENCRYPT, BOB, ReEncrypt(ciphertext=sealed, destination_key_id=source), source)
    assert [each.used for each in await listed(kernel, source)] == [2]
    assert [each.used for each in await listed(kernel, target)] == [1]
    record = await last_record(kernel)
    assert (record["grantId"], "destinationGrantId" in record) == (of_source.id, False)


async def test_get_and_the_public_key_can_be_granted_and_no_list_shows_what_a_grant_opens(
    kernel: Kernel,
) -> None:
    key_id = await active_key(kernel, algorithm=Algorithm.EC, curve=Curve.P256)
    run = kernel.pipeline.run
    given = await grant(kernel, key_id, Operation.GET, Operation.GET_PUBLIC_KEY)
    assert (await run(op.GET, BOB, m.GetKey(), key_id)).key.id == key_id
    await run(op.GET_PUBLIC_KEY, BOB, GetPublicKey(), key_id)
    assert not (await run(op.LIST, BOB, m.ListKeys())).keys
    await retire(kernel, key_id, given)
    await is_refused(kernel, run(op.GET, BOB, m.GetKey(), key_id))
    with pytest.raises(BadRequestError, match="not counted"):
        await grant(kernel, key_id, Operation.GET, max_uses=1)


async def test_the_law_holds_for_grantees_too(kernel: Kernel) -> None:
    key_id = await aes(kernel)
    await grant(kernel, key_id, max_uses=1)
    await kernel.pipeline.run(op.DISABLE, ALICE, m.Transition(), key_id)
    with pytest.raises(IllegalOperationError):
        await encrypt(kernel, BOB, key_id)
    with pytest.raises(IllegalOperationError, match=r"^Cannot grant the use of a disabled key$"):
        await grant(kernel, key_id)
    assert [each.used for each in await listed(kernel, key_id)] == [0]


@pytest.mark.parametrize("operation", sorted(set(Operation) - GRANTABLE))
async def test_administration_is_granted_to_nobody(kernel: Kernel, operation: Operation) -> None:
    key_id = await aes(kernel)
    with pytest.raises(BadRequestError, match="can be granted"):
        await grant(kernel, key_id, operation)


async def test_nobody_but_who_administers_the_key_creates_lists_or_retires_grants(
    kernel: Kernel,
) -> None:
    key_id = await aes(kernel)
    given = await grant(kernel, key_id)
    await is_refused(kernel, grant(kernel, key_id, by=BOB, grantee="carol"))
    await is_refused(kernel, kernel.pipeline.run(op.LIST_GRANTS, BOB, gm.ListGrants(), key_id))
    await is_refused(kernel, retire(kernel, key_id, given, by=CAROL))
    with pytest.raises(NotFoundError):
        await kernel.pipeline.run(op.RETIRE_GRANT, ALICE, gm.RetireGrant(UNKNOWN), key_id)
    await is_refused(
        kernel, kernel.pipeline.run(op.RETIRE_GRANT, BOB, gm.RetireGrant(UNKNOWN), key_id)
    )


async def test_a_grantee_retires_its_own_and_a_second_retirement_changes_nothing(
    kernel: Kernel, clock: ManualClock
) -> None:
    key_id = await aes(kernel)
    given, others = await grant(kernel, key_id), await grant(kernel, key_id, grantee="carol")
    run, request = kernel.pipeline.run, gm.RetireGrant(given.id, "done")
    first = await run(op.RETIRE_GRANT, BOB, request, key_id)
    clock.advance(5)
    assert await run(op.RETIRE_GRANT, ALICE, request, key_id) == first
    await is_refused(kernel, retire(kernel, key_id, others, by=BOB))
    assert [each.ended for each in await listed(kernel, key_id)] == ["retired", None]


async def test_an_agent_has_the_grants_of_its_principal_within_its_scopes(kernel: Kernel) -> None:
    key_id = await aes(kernel)
    await grant(kernel, key_id, max_uses=1)

    async def agent(*operations: Operation) -> Caller:
        scope = Scope(keys=frozenset({key_id}), operations=frozenset(operations))
        request = am.IssueAgent(label="an agent", scopes=(scope,))
        issued = await kernel.pipeline.run(op.ISSUE_AGENT, BOB, request)
        bearer = [(b"authorization", b"Bearer " + issued.token.reveal())]
        return Caller(await kernel.authentication.authenticate(bearer))

    wrong, right = await agent(Operation.DECRYPT), await agent(Operation.ENCRYPT)
    assert await is_refused(kernel, encrypt(kernel, wrong, key_id)) == "outside the agent's scopes"
    await encrypt(kernel, right, key_id)
    reason = await is_refused(kernel, encrypt(kernel, right, key_id))
    assert reason.endswith("has 0 uses left of 1 wanted")
    by_its_id = {"grantee": right.principal.subject}
    with pytest.raises(BadRequestError, match="is an agent"):
        await grant(kernel, key_id, **by_its_id)
    assert not {Operation.CREATE_GRANT, Operation.LIST_GRANTS, Operation.RETIRE_GRANT} & SCOPABLE


async def test_what_no_grant_may_be_is_refused(kernel: Kernel) -> None:
    key_id = await aes(kernel)
    now = kernel.pipeline._bench.now()
    bad: tuple[dict[str, Any], ...] = (
        {"operations": ()},
        {"grantee": ""},
        {"grantee": "bob smith"},
        {"grantee": "aegis"},
        {"max_uses": 0},
        {"max_uses": 1_000_001},
        {"ttl_seconds": 0},
        {"ttl_seconds": 60, "expires_at": now + timedelta(days=1)},
        {"expires_at": now},
        {"expires_at": now + timedelta(days=4000)},
        {"operations": (Operation.ENCRYPT, Operation.GET), "context": {"tenant": "acme"}},
        {"context": {str(number): "x" for number in range(9)}},
        {"context": {"tenant": "x" * 129}},
    )
    for terms in bad:
        with pytest.raises(BadRequestError):
            await grant(kernel, key_id, **terms)
    assert not await listed(kernel, key_id)


async def test_a_key_has_so_many_grants_and_those_that_have_ended_make_room(
    kernel: Kernel,
) -> None:
    key_id = await aes(kernel)
    used_up = await grant(kernel, key_id, max_uses=1)
    given = [await grant(kernel, key_id) for _ in range(MAX_GRANTS - 1)]
    with pytest.raises(IllegalOperationError, match="retire one"):
        await grant(kernel, key_id)
    await retire(kernel, key_id, given[0])
    await grant(kernel, key_id)
    with pytest.raises(IllegalOperationError):
        await grant(kernel, key_id)
    for each in given[1:]:
        await retire(kernel, key_id, each)
    await encrypt(kernel, BOB, key_id)  # by the one that was created in between
    newest = (await listed(kernel, key_id))[-1].grant
    await retire(kernel, key_id, newest)
    await encrypt(kernel, BOB, key_id)
    for _ in range(MAX_GRANTS - 1):
        await grant(kernel, key_id, max_uses=1)
    # All are live but the first, which is used up.
    last = await grant(kernel, key_id)
    kept = [each.grant.id for each in await listed(kernel, key_id)]
    assert len(kept) == MAX_GRANTS
    assert (used_up.id in kept, kept[-1]) == (False, last.id)


async def test_the_same_request_under_one_idempotency_key_makes_one_grant(kernel: Kernel) -> None:
    key_id = await aes(kernel)
    request = gm.CreateGrant(grantee="bob", operations=(Operation.ENCRYPT,), max_uses=3)
    terms = Terms(idempotency_key="once")
    first, again = [
        await kernel.pipeline.run(op.CREATE_GRANT, ALICE, request, key_id, terms) for _ in "12"
    ]
    assert first == again
    assert [each.grant for each in await listed(kernel, key_id)] == [first.grant]


async def test_a_broken_authorizer_is_lifted_by_no_grant(kernel: Kernel) -> None:
    key_id = await aes(kernel)
    await grant(kernel, key_id)

    def broken(*_: Any) -> Decision:
        raise RuntimeError("broken")

    authorizer = kernel.providers.authorizer
    guarded = GuardedAuthorizer("basic", authorizer, Faults(ManualClock()))
    guarded._decide = broken
    authority = kernel.pipeline._bench.authority
    authority._authorizer = guarded
    assert await is_refused(kernel, encrypt(kernel, BOB, key_id)) == "the authorizer failed"
    key = (await kernel.pipeline._streams.view(key_id)).key
    assert guarded.decide(BOB.principal, Operation.ENCRYPT, key, Circumstances()).final


FORBID = """
@id("all") permit (principal, action, resource) when { principal.subject == "alice" };
@id("own") permit (principal == Human::"carol", action in [Action::"manage", Action::"Encrypt"], resource);
@id("never") forbid (principal == Human::"mallory", action, resource);
@id("hours") forbid (principal, action == Action::"Encrypt", resource)
  when { context.encryptionContext.hasTag("secret") };
"""


async def test_cedar_lets_grants_lift_what_it_does_not_permit_and_nothing_that_it_forbids(
    tmp_path: Path,
) -> None:
    file = tmp_path / "policies.cedar"
    file.write_text(FORBID)
    chosen = kernel_settings(
        tmp_path, AEGIS_AUTHZ_KIND="cedar", AEGIS_AUTHZ_CEDAR_POLICY_FILE=str(file)
    )
    async with Kernel(chosen) as kernel:
        key_id = await aes(kernel)
        assert await is_refused(kernel, encrypt(kernel, BOB, key_id)) == "no policy permits"
        for grantee in ("bob", "mallory"):
            await grant(kernel, key_id, grantee=grantee)
        await encrypt(kernel, BOB, key_id)
        mallory = Caller(Principal(subject="mallory", kind=PrincipalKind.HUMAN))
        never = await is_refused(kernel, encrypt(kernel, mallory, key_id))
        hours = await is_refused(kernel, encrypt(kernel, BOB, key_id, secret="yes"))
        assert (never, hours) == ("forbidden by policy never", "forbidden by policy hours")
        # Who administers a key grants no more of its use than it has.
        carol = Caller(Principal(subject="carol", kind=PrincipalKind.HUMAN))
        await grant(kernel, key_id, by=carol)
        with pytest.raises(PermissionDeniedError):
            await grant(kernel, key_id, Operation.DECRYPT, by=carol)


async def test_a_key_without_grants_is_as_it_was(kernel: Kernel) -> None:
    key_id = await aes(kernel)
    stored = await kernel.providers.journal.load(f"key/{key_id}")
    assert stored is not None
    assert b"grant" not in stored.snapshot
    view = await kernel.pipeline._streams.view(key_id)
    assert isinstance(view.key, Key)
    assert view.key.grants == ()


async def test_signing_can_be_granted(kernel: Kernel) -> None:
    key_id = await active_key(kernel, algorithm=Algorithm.EC, curve=Curve.P256)
    await grant(kernel, key_id, Operation.SIGN, max_uses=1)
    request = m.Sign(message=b"x", algorithm=SignatureAlgorithm.ECDSA_SHA256)
    await kernel.pipeline.run(op.SIGN, BOB, request, key_id)
    await is_refused(kernel, kernel.pipeline.run(op.SIGN, BOB, request, key_id))
