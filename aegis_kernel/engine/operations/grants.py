"""Operations on grants: create one, list those of a key, retire one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from aegis_kernel.domain import events
from aegis_kernel.domain.agent import AgentId, parse_agent_id
from aegis_kernel.domain.errors import BadRequestError, IllegalOperationError, NotFoundError
from aegis_kernel.domain.grant import (
    GRANTABLE,
    MAX_GRANTS,
    MAX_PAIRS,
    MAX_TTL_SECONDS,
    MAX_USES,
    PAIR_MAX_CHARACTERS,
    UNCOUNTED,
    Grant,
    GrantId,
)
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import SYSTEM_SUBJECT, is_subject
from aegis_kernel.domain.scope import WITH_CONTEXT
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages_grants import (
    CreateGrant,
    GrantAnswer,
    GrantList,
    ListGrants,
    RetiredGrant,
    RetireGrant,
)
from aegis_kernel.engine.operations.require import require

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench


async def _create(bench: Bench, caller: Caller, key: Key | None, request: CreateGrant) -> Effect:
    key, now = require(key), bench.now()
    _require_sound(request)
    await _require_grantee(bench, request.grantee)
    for operation in request.operations:
        # Nobody gives away what the authorizer does not allow them themselves.
        bench.authorize(caller, operation, key, request)
    grant = Grant(
        id=GrantId(str(uuid4())),
        grantee=request.grantee,
        operations=tuple(sorted(set(request.operations))),
        created_at=now,
        created_by=caller.principal.subject,
        context=request.context,
        expires_at=_end(now, request),
        max_uses=request.max_uses,
    )
    room = await _room(bench, key, now)
    return Effect(
        answer=GrantAnswer(key.id, grant, used=None if grant.max_uses is None else 0),
        events=(*room, events.GrantCreated(at=now, grant=grant)),
        grant_id=grant.id,
        reason=f"{', '.join(grant.operations)} to {grant.grantee}",
    )


async def _list(bench: Bench, caller: Caller, key: Key | None, request: ListGrants) -> Effect:
    key = require(key)
    answers = [await _answer(bench, key, grant) for grant in key.grants]
    return Effect(answer=GrantList(tuple(answers)))


async def _retire(bench: Bench, caller: Caller, key: Key | None, request: RetireGrant) -> Effect:
    grant = require(key).grant(request.grant_id)
    if grant is None:
        raise NotFoundError(f"This key has no grant {request.grant_id}")
    if grant.retired_at is not None:
        answer = RetiredGrant(grant.id, grant.retired_at)
        return Effect(answer=answer, grant_id=grant.id, reason="retired already")
    now = bench.now()
    return Effect(
        answer=RetiredGrant(grant.id, now),
        events=(events.GrantRetired(at=now, id=grant.id, reason=request.reason),),
        grant_id=grant.id,
        reason=request.reason,
    )


def _require_sound(request: CreateGrant) -> None:
    named = frozenset(request.operations)
    if not named or not named <= GRANTABLE:
        raise BadRequestError("operations names at least one, all of which can be granted")
    if request.context and not named <= WITH_CONTEXT:
        raise BadRequestError("a context goes with operations that bind one, and with no others")
    if len(request.context) > MAX_PAIRS or any(
        len(text) > PAIR_MAX_CHARACTERS for pair in request.context.items() for text in pair
    ):
        raise BadRequestError(
            f"context has at most {MAX_PAIRS} pairs, of {PAIR_MAX_CHARACTERS} characters each side"
        )
    if request.max_uses is None:
        return
    if not 1 <= request.max_uses <= MAX_USES:
        raise BadRequestError(f"maxUses is 1 to {MAX_USES}")
    if named & UNCOUNTED:
        raise BadRequestError("maxUses goes with uses of the key; reads of it are not counted")


async def _require_grantee(bench: Bench, grantee: str) -> None:
    if not is_subject(grantee) or grantee == SYSTEM_SUBJECT:
        raise BadRequestError("grantee is a principal's subject: 1 to 256 visible ASCII characters")
    agent_id = parse_agent_id(grantee)
    if agent_id is not None and (await bench.agents.view(AgentId(agent_id))).agent is not None:
        raise BadRequestError("grantee is an agent; grant it to the principal that it acts for")


def _end(now: datetime, request: CreateGrant) -> datetime | None:
    if request.expires_at is not None and request.ttl_seconds is not None:
        raise BadRequestError("a grant has expiresAt or ttlSeconds, not both")
    most = timedelta(seconds=MAX_TTL_SECONDS)
    if request.expires_at is not None:
        if not now < request.expires_at <= now + most:
            raise BadRequestError("expiresAt is in the future, and no more than ten years from now")
        return request.expires_at.astimezone(UTC).replace(microsecond=0)
    if request.ttl_seconds is None:
        return None
    if not 1 <= request.ttl_seconds <= MAX_TTL_SECONDS:
        raise BadRequestError(f"ttlSeconds is 1 to {MAX_TTL_SECONDS}")
    # Rounded down: it never outlives what its answer says, in whole seconds.
    return (now + timedelta(seconds=request.ttl_seconds)).replace(microsecond=0)


async def _room(bench: Bench, key: Key, now: datetime) -> tuple[events.GrantRetired, ...]:
    """Return what ends so that there is room for one more: those that are used up."""
    live = [grant for grant in key.grants if grant.ended(now.timestamp()) is None]
    if len(live) < MAX_GRANTS:
        return ()
    answers = [await _answer(bench, key, grant) for grant in live if grant.max_uses is not None]
    used_up = [answer.grant.id for answer in answers if answer.ended is not None]
    if not used_up:
        raise IllegalOperationError(
            f"Cannot grant the use of a key that has {MAX_GRANTS} grants; retire one of them",
            reason=f"{MAX_GRANTS} grants",
        )
    return tuple([events.GrantRetired(at=now, id=each, reason="used up") for each in used_up])


async def _answer(bench: Bench, key: Key, grant: Grant) -> GrantAnswer:
    ended = grant.ended(bench.now().timestamp())
    if grant.max_uses is None:
        return GrantAnswer(key.id, grant, ended=ended)
    used = await bench.grants.used(key, grant)
    is_over = used >= grant.max_uses
    return GrantAnswer(key.id, grant, used, ended or ("used up" if is_over else None))


CREATE_GRANT: Declaration[CreateGrant, GrantAnswer] = Declaration(
    Operation.CREATE_GRANT, _create, changes=True, answers_with=GrantAnswer
)
LIST_GRANTS: Declaration[ListGrants, GrantList] = Declaration(
    Operation.LIST_GRANTS, _list, recorded=False
)
RETIRE_GRANT: Declaration[RetireGrant, RetiredGrant] = Declaration(
    Operation.RETIRE_GRANT, _retire, changes=True, answers_with=RetiredGrant
)
