"""Agents act for a principal within scopes, never beyond anybody above them, and end at once."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis_kernel.domain.agent import Agent, AgentId
from aegis_kernel.domain.errors import (
    BadRequestError,
    KeyNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    UnauthorizedError,
)
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import KeyState, Operation
from aegis_kernel.domain.principal import Principal, PrincipalKind
from aegis_kernel.domain.scope import Scope
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.signature import SignatureFormat
from aegis_kernel.domain.spec import Algorithm, Curve, SignatureAlgorithm
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.agent_key import AGENT_KEY_ID
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations import messages_agents as am
from aegis_kernel.engine.operations.batch import Batch
from aegis_kernel.engine.operations.declaration import Caller
from aegis_kernel.engine.standing import Standing
from aegis_kernel.testing.authorizer import key
from aegis_kernel.testing.doubles import ManualClock
from tests.support.kernel import ALICE, BOB, active_key, last_record
from tests.support.kernel import settings as kernel_settings

USE = frozenset({Operation.ENCRYPT, Operation.DECRYPT})
ISSUE = frozenset({Operation.ISSUE_AGENT})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def kernel(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Kernel]:
    async with Kernel(kernel_settings(tmp_path), clock) as running:
        yield running


async def aes(kernel: Kernel) -> KeyId:
    return await active_key(kernel, algorithm=Algorithm.AES, size_bits=256)


async def issue(
    kernel: Kernel, caller: Caller, *scopes: Scope, ttl: int | None = None
) -> tuple[Caller, am.IssuedAgent]:
    """Issue an agent, and return the caller that its token makes."""
    request = am.IssueAgent(label="an agent", scopes=scopes, ttl_seconds=ttl)
    issued = await kernel.pipeline.run(op.ISSUE_AGENT, caller, request)
    return Caller(await authenticate(kernel, issued.token.reveal())), issued


async def authenticate(kernel: Kernel, token: bytes) -> Principal:
    return await kernel.authentication.authenticate([(b"authorization", b"Bearer " + token)])


def scope(*keys: str, operations: frozenset[Operation] = USE, **context: str) -> Scope:
    return Scope(keys=frozenset(keys), operations=operations, context=context)


async def encrypt(kernel: Kernel, caller: Caller, key_id: KeyId, **context: str) -> m.Encrypted:
    request = m.Encrypt(Secret(b"hello"), context or None)
    return await kernel.pipeline.run(op.ENCRYPT, caller, request, key_id)


async def test_an_agent_acts_within_its_scope_and_the_record_names_both(kernel: Kernel) -> None:
    key_id, other = await aes(kernel), await aes(kernel)
    agent, issued = await issue(kernel, ALICE, scope(key_id, tenant="acme"))
    await encrypt(kernel, agent, key_id, tenant="acme", more="yes")
    record = await last_record(kernel)
    assert record["actor"] == issued.agent.id
    assert (record["actorKind"], record["parent"]) == ("Agent", "alice")
    for asked, context in (
        (key_id, {}),
        (key_id, {"tenant": "acme2"}),
        (other, {"tenant": "acme"}),
    ):
        with pytest.raises(PermissionDeniedError):
            await encrypt(kernel, agent, asked, **context)
    with pytest.raises(PermissionDeniedError):
        await kernel.pipeline.run(op.ROTATE, agent, m.Rotate(), key_id)
    assert (await last_record(kernel))["outcome"] == "PermissionDenied"


async def test_an_agent_may_nothing_that_its_principal_may_not(kernel: Kernel) -> None:
    key_id = await aes(kernel)
    agent, _ = await issue(kernel, BOB, scope("*"))
    with pytest.raises(PermissionDeniedError):
        await encrypt(kernel, agent, key_id)


async def test_a_key_that_an_agent_makes_is_its_principals(kernel: Kernel) -> None:
    agent, _ = await issue(
        kernel, BOB, scope("*", operations=frozenset({Operation.CREATE, Operation.GET}))
    )
    spec = m.CreateKey(
        spec=(await kernel.pipeline.run(op.GET, ALICE, m.GetKey(), await aes(kernel))).key.spec
    )
    created = await kernel.pipeline.run(op.CREATE, agent, spec)
    assert created.key.owner == "bob"
    assert (await kernel.pipeline.run(op.GET, BOB, m.GetKey(), created.key.id)).key.owner == "bob"


async def test_an_agent_below_is_bounded_by_all_above_it(kernel: Kernel) -> None:
    key_id, other = await aes(kernel), await aes(kernel)
    wide = scope("*", operations=USE | ISSUE)
    first, _ = await issue(kernel, ALICE, wide)
    second, _ = await issue(kernel, first, scope(key_id, operations=USE | ISSUE))
    await encrypt(kernel, second, key_id)
    with pytest.raises(PermissionDeniedError):
        await encrypt(kernel, second, other)
    with pytest.raises(PermissionDeniedError):
        await issue(kernel, second, scope(other))
    # Within what it was given in words, but not within what it may: decided with each request.
    third, _ = await issue(kernel, second, scope("*"))
    await encrypt(kernel, third, key_id)
    with pytest.raises(PermissionDeniedError):
        await encrypt(kernel, third, other)


async def test_an_agent_that_has_not_the_operation_issues_none(kernel: Kernel) -> None:
    agent, _ = await issue(kernel, ALICE, scope("*"))
    with pytest.raises(PermissionDeniedError):
        await issue(kernel, agent, scope("*"))


async def test_no_more_than_four_stand_above_an_agent(kernel: Kernel) -> None:
    caller = ALICE
    for _ in range(5):
        caller, _ = await issue(kernel, caller, scope("*", operations=USE | ISSUE))
    with pytest.raises(PermissionDeniedError, match="4 are above it"):
        await issue(kernel, caller, scope("*"))


async def test_a_revoked_agent_and_all_below_it_end_at_once(kernel: Kernel) -> None:
    key_id = await aes(kernel)
    first, issued = await issue(kernel, ALICE, scope("*", operations=USE | ISSUE))
    second, _ = await issue(kernel, first, scope("*"))
    revoked = await kernel.pipeline.run(
        op.REVOKE_AGENT, ALICE, am.RevokeAgent(issued.agent.id, "done")
    )
    assert revoked.id == issued.agent.id
    for caller in (first, second):
        with pytest.raises(UnauthorizedError):
            await encrypt(kernel, caller, key_id)
    assert (await last_record(kernel))["outcome"] == "Unauthorized"
    again = await kernel.pipeline.run(op.REVOKE_AGENT, ALICE, am.RevokeAgent(issued.agent.id))
    assert again.revoked_at == revoked.revoked_at


async def test_nobody_else_revokes_or_sees_an_agent(kernel: Kernel) -> None:
    _, issued = await issue(kernel, ALICE, scope("*"))
    with pytest.raises(PermissionDeniedError):
        await kernel.pipeline.run(op.REVOKE_AGENT, BOB, am.RevokeAgent(issued.agent.id))
    with pytest.raises(PermissionDeniedError):
        await kernel.pipeline.run(op.GET_AGENT, BOB, am.GetAgent(issued.agent.id))
    with pytest.raises(PermissionDeniedError):
        await kernel.pipeline.run(op.REVOKE_AGENTS, BOB, am.RevokeAgents("alice"))
    unknown = AgentId(str(uuid4()))
    with pytest.raises(NotFoundError):
        await kernel.pipeline.run(op.GET_AGENT, ALICE, am.GetAgent(unknown))
    assert not (await kernel.pipeline.run(op.LIST_AGENTS, BOB, am.ListAgents())).agents
    listed = await kernel.pipeline.run(op.LIST_AGENTS, ALICE, am.ListAgents())
    assert [each.agent.id for each in listed.agents] == [issued.agent.id]


async def test_the_kill_switch_ends_all_of_a_principal_and_nobody_elses(
    kernel: Kernel, clock: ManualClock
) -> None:
    key_id = await aes(kernel)
    old, _ = await issue(kernel, ALICE, scope("*"))
    others, _ = await issue(kernel, BOB, scope("*"))
    clock.advance(60)
    since = kernel.pipeline._bench.now()
    new, _ = await issue(kernel, ALICE, scope("*"))
    cut = await kernel.pipeline.run(op.REVOKE_AGENTS, ALICE, am.RevokeAgents("alice", since))
    assert cut.revoked == 1
    await encrypt(kernel, old, key_id)
    with pytest.raises(UnauthorizedError):
        await encrypt(kernel, new, key_id)
    cut = await kernel.pipeline.run(op.REVOKE_AGENTS, ALICE, am.RevokeAgents("alice"))
    assert cut.revoked == 1
    with pytest.raises(UnauthorizedError):
        await encrypt(kernel, old, key_id)
    with pytest.raises(PermissionDeniedError):  # alive, and still not allowed
        await encrypt(kernel, others, key_id)
    after, _ = await issue(kernel, ALICE, scope("*"))
    await encrypt(kernel, after, key_id)


async def test_an_agent_ends_by_the_clock_even_while_its_token_is_remembered(
    kernel: Kernel, clock: ManualClock
) -> None:
    key_id = await aes(kernel)
    agent, issued = await issue(kernel, ALICE, scope("*"), ttl=30)
    await encrypt(kernel, agent, key_id)
    clock.advance(31)
    with pytest.raises(UnauthorizedError):
        await encrypt(kernel, agent, key_id)
    with pytest.raises(UnauthorizedError):
        await authenticate(kernel, issued.token.reveal())


async def test_no_use_leaves_after_the_answer_to_a_revocation(kernel: Kernel) -> None:
    key_id = await aes(kernel)
    assert [await race(kernel, key_id) for _ in range(40)] == [0] * 40


async def race(kernel: Kernel, key_id: KeyId) -> int:
    """Revoke an agent amid its uses; return how many began after the answer and were released."""
    agent, issued = await issue(kernel, ALICE, scope(key_id))
    acknowledged = False

    async def use() -> int:
        began_after = acknowledged
        try:
            await encrypt(kernel, agent, key_id)
        except UnauthorizedError:
            return 0
        return int(began_after)

    async def end() -> int:
        nonlocal acknowledged
        await kernel.pipeline.run(op.REVOKE_AGENT, ALICE, am.RevokeAgent(issued.agent.id))
        acknowledged = True
        return await use()

    return sum(await asyncio.gather(*(use() for _ in range(4)), end(), *(use() for _ in range(4))))


async def test_what_no_agent_may_have_is_refused_at_issue(kernel: Kernel) -> None:
    bad = (
        scope("*", operations=frozenset({Operation.REVOKE_AGENTS})),
        scope("*", operations=frozenset({Operation.ROTATE_MASTER})),
        scope("*", operations=frozenset()),
        scope("alias:x"),
        scope("*", "8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"),
        scope("*", operations=frozenset({Operation.SIGN}), tenant="acme"),
    )
    for each in bad:
        with pytest.raises(BadRequestError):
            await issue(kernel, ALICE, each)
    with pytest.raises(BadRequestError):
        await issue(kernel, ALICE)
    with pytest.raises(BadRequestError):
        await issue(kernel, ALICE, scope("*"), ttl=86_401)


async def test_the_key_of_the_tokens_is_hidden_and_published(kernel: Kernel) -> None:
    _, issued = await issue(kernel, ALICE, scope("*"))
    for run in (
        kernel.pipeline.run(op.GET, ALICE, m.GetKey(), AGENT_KEY_ID),
        kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), AGENT_KEY_ID),
        kernel.pipeline.run(
            op.SIGN,
            ALICE,
            m.Sign(message=b"x", algorithm=SignatureAlgorithm.ECDSA_SHA256),
            AGENT_KEY_ID,
        ),
    ):
        with pytest.raises(KeyNotFoundError):
            await run
    assert not (await kernel.pipeline.run(op.LIST, ALICE, m.ListKeys())).keys
    published = json.loads((await kernel.key_set.published()).body)
    kid = json.loads(part(issued.token.reveal(), 0))["kid"]
    assert [each["kid"] for each in published["keys"]] == [kid]


def part(token: bytes, number: int) -> bytes:
    encoded = token.split(b".")[number]
    return base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))


def b64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


async def test_no_forgery_is_accepted(kernel: Kernel) -> None:
    _, issued = await issue(kernel, ALICE, scope("*"))
    token = issued.token.reveal()
    head, claims, signature = token.split(b".")
    fields, said = json.loads(part(token, 0)), json.loads(part(token, 1))

    def header(**changes: object) -> bytes:
        return b64(json.dumps(fields | changes, separators=(",", ":")).encode())

    def claim(**changes: object) -> bytes:
        return b64(json.dumps(said | changes, separators=(",", ":")).encode())

    own = await signed_by_a_caller(kernel, head + b"." + claims)
    forged = {
        "alg none": header(alg="none") + b"." + claims + b".",
        "alg HS256": header(alg="HS256") + b"." + claims + b"." + signature,
        "another kid": header(kid=f"{AGENT_KEY_ID}.2") + b"." + claims + b"." + signature,
        "a caller's kid": header(kid=f"{own[0]}.1") + b"." + claims + b"." + own[1],
        "a caller's signature": head + b"." + claims + b"." + own[1],
        "another typ": header(typ="JWT") + b"." + claims + b"." + signature,
        "one member more": header(jku="https://evil.example") + b"." + claims + b"." + signature,
        "another agent": head + b"." + claim(sub=issued.agent.parent) + b"." + signature,
        "a later end": head + b"." + claim(exp=said["exp"] + 9999) + b"." + signature,
        "cut short": token[:-1],
        "too long": token + b"A",
        "signature of zeros": head + b"." + claims + b"." + b"A" * 86,
        "no signature": head + b"." + claims + b".",
        "padding": token + b"==",
    }
    accepted = [name for name, each in forged.items() if await is_accepted(kernel, each)]
    assert accepted == []
    assert await is_accepted(kernel, token)


async def is_accepted(kernel: Kernel, token: bytes) -> bool:
    try:
        await authenticate(kernel, token)
    except UnauthorizedError:
        return False
    return True


async def signed_by_a_caller(kernel: Kernel, message: bytes) -> tuple[KeyId, bytes]:
    key_id = await active_key(kernel, algorithm=Algorithm.EC, curve=Curve.P256)
    request = m.Sign(
        message=message,
        algorithm=SignatureAlgorithm.ECDSA_SHA256,
        signature_format=SignatureFormat.P1363,
    )
    signed = await kernel.pipeline.run(op.SIGN, ALICE, request, key_id)
    return key_id, b64(signed.signature)


async def test_the_token_stands_nowhere(kernel: Kernel) -> None:
    _, issued = await issue(kernel, ALICE, scope("*"))
    secret = issued.token.reveal().split(b".")[2]
    journal, seen = kernel.providers.journal, b""
    for stream in (issued.agent.stream, f"key/{AGENT_KEY_ID}", "principal/alice"):
        seen += b"".join(await journal.history(stream))
    seen += b"".join([record.body for record in await journal.ledger(0, 1000)])
    assert issued.agent.id.encode() in seen
    assert secret not in seen
    assert secret.decode() not in repr(issued)


ASKED = key("alice", KeyState.ACTIVE)
ELSEWHERE = "9b3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"
CONTEXTS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("12"), max_size=2)
OPERATIONS = (Operation.ENCRYPT, Operation.DECRYPT, Operation.ROTATE)
SCOPES = st.builds(
    Scope,
    keys=st.frozensets(st.sampled_from((ASKED.id, ELSEWHERE, "*")), min_size=1),
    operations=st.frozensets(st.sampled_from(OPERATIONS), min_size=1),
    context=CONTEXTS,
)


def test_no_chain_of_agents_ever_widens(tmp_path: Path, clock: ManualClock) -> None:
    """What an agent may, everybody above it may, and so may the principal itself."""
    authority = Kernel(kernel_settings(tmp_path), clock).pipeline._bench.authority

    @settings(max_examples=500, deadline=None, database=None)
    @given(
        chain=st.lists(st.lists(SCOPES, min_size=1, max_size=3), min_size=1, max_size=5),
        operation=st.sampled_from(OPERATIONS),
        contexts=st.lists(CONTEXTS, min_size=1, max_size=3),
        subject=st.sampled_from(("alice", "bob")),
    )
    def look(
        chain: list[list[Scope]],
        operation: Operation,
        contexts: list[dict[str, str]],
        subject: str,
    ) -> None:
        root = Principal(subject=subject, kind=PrincipalKind.HUMAN)
        items = [m.Encrypt(Secret(b"x"), context) for context in contexts]
        agents = tuple([agent_of(root, scopes) for scopes in chain])
        allowed = [
            authority.decide(
                Caller(root, standing=Standing(root, chain=agents[place:])),
                operation,
                ASKED,
                Batch(tuple(items)),
            ).allowed
            for place in range(len(agents) + 1)
        ]
        assert allowed[-1] is (subject == "alice")
        assert all(above or not below for below, above in itertools.pairwise(allowed))

    look()


def agent_of(root: Principal, scopes: list[Scope]) -> Agent:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Agent(
        id=AgentId(str(uuid4())),
        label="one of a chain",
        parent=root.subject,
        root=root,
        scopes=tuple(scopes),
        issued_at=now,
        expires_at=now,
        epoch=0,
    )
