"""What an operation is: a declaration that the pipeline carries out, never a copy of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from aegis_kernel.domain.agent import Agent
from aegis_kernel.domain.alias import Alias
from aegis_kernel.domain.audit import SUCCESS, Mode, Severity
from aegis_kernel.domain.errors import AegisError
from aegis_kernel.domain.events import Event
from aegis_kernel.domain.key import Key, KeyId
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import Principal
from aegis_kernel.engine.operations.messages import KeyAnswer, KeyDetails
from aegis_kernel.engine.standing import Standing
from aegis_kernel.spi.journal import Append, DeleteMaterial, PutMaterial

if TYPE_CHECKING:
    from aegis_kernel.engine.agents import Agents
    from aegis_kernel.engine.bench import Bench

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Caller(msgspec.Struct, frozen=True, gc=False):
    """Who asks, and by which request. `headers` may hold a traceparent.

    Without a `standing`, the principal's own rights count.
    """

    principal: Principal
    request_id: str | None = None
    source_ip: str | None = None
    headers: Any = None
    standing: Standing | None = None

    @property
    def agent(self) -> Agent | None:
        """The agent that asks, as its stream has it; None for a human or a service."""
        standing = self.standing
        return standing.chain[0] if standing is not None and standing.chain else None

    @property
    def acts_for(self) -> Principal:
        """Whose rights count: an agent's are those of the principal that it acts for in the end."""
        return self.principal if self.standing is None else self.standing.principal


class Terms(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a caller makes a request depend on, beside the request.

    `sequence` is where the key's stream must still stand (If-Match). Requests that change something
    and have the same `idempotency_key` have one effect together.
    """

    sequence: int | None = None
    idempotency_key: str | None = None


class Effect(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What acting came to: the answer, the events, and what the audit record says of it.

    Without an `answer` of its own, an operation is answered with the key as it then stands and its
    `details`. `expects` names further streams that it was decided on, with their sequences;
    `appends` changes some of these. A batch has `further` effects, each for a record of its own,
    and the outcome of every item.
    """

    answer: Any = None
    key_id: KeyId | None = None
    events: tuple[Event, ...] = ()
    material: tuple[PutMaterial | DeleteMaterial, ...] = ()
    key_version: int | None = None
    alg: str | None = None
    outcome: str = SUCCESS
    severity: Severity | None = None
    reason: str | None = None
    previous_version: int | None = None
    current_version: int | None = None
    destination_key_id: KeyId | None = None
    destination_key_version: int | None = None
    agent_id: str | None = None
    grant_id: str | None = None
    destination_grant_id: str | None = None
    details: KeyDetails = KeyDetails()
    expects: tuple[tuple[str, int], ...] = ()
    appends: tuple[Append, ...] = ()
    count: int | None = None
    mode: Mode | None = None
    further: tuple[Effect, ...] = ()
    item_outcomes: tuple[str, ...] = ()


# What an item of a batch came to.
Ended = Effect | AegisError


class Further(msgspec.Struct, Generic[Request], frozen=True):
    """The second key that a request names: loaded, authorized, permitted and fenced as the first.

    The law of its state is FURTHER_LAW. `given` puts it into the request, for `act`.
    """

    key_id: Callable[[Request], KeyId | Alias]
    given: Callable[[Request, Key], Request]


class Declaration(msgspec.Struct, Generic[Request, Answer], frozen=True):
    """An operation: its name in the law and the spelling table, and how it acts.

    `act` gets the bench (clock, roots of trust, opened keys), the caller, the key as it stands
    (None for operations that name no key) and the request. A `costly` effect is kept when only
    unrelated events moved the stream meanwhile. An operation that is not `recorded` asks the store
    rather than the cache, and is only counted when it succeeds. One that is `by_kernel` has no
    caller but the kernel, and is not authorized. One that `changes` something takes an idempotency
    key; `answers_with` is then the type of its answer, by which a stored one is read back.
    `belongs_to` says for which principal the agents act that a request is about.
    """

    name: Operation
    act: Callable[[Bench, Caller, Key | None, Request], Awaitable[Effect]]
    costly: bool = False
    recorded: bool = True
    by_kernel: bool = False
    changes: bool = False
    answers_with: Any = KeyAnswer
    further: Further[Request] | None = None
    belongs_to: Callable[[Agents, Caller, Request], Awaitable[str]] | None = None
