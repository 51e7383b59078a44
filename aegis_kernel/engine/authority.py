"""Who may do what: the authorizer asked, and all that is decided beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from aegis_kernel.domain.alias import Alias
from aegis_kernel.domain.errors import (
    KeyNotFoundError,
    PermissionDeniedError,
    UnauthorizedError,
)
from aegis_kernel.domain.key import Key, KeyId
from aegis_kernel.domain.lifecycle import LAW, Operation
from aegis_kernel.domain.principal import SYSTEM_SUBJECT, PrincipalKind
from aegis_kernel.engine.agents import FAMILY as AGENTS
from aegis_kernel.engine.agents import PRINCIPALS, Agents
from aegis_kernel.engine.authentication import REFUSED
from aegis_kernel.engine.grants import Counted, Grants, is_one_key, lift
from aegis_kernel.engine.job import Job
from aegis_kernel.engine.operations.declaration import Caller
from aegis_kernel.engine.permission import Permission, joined
from aegis_kernel.engine.policies import STREAM as POLICY
from aegis_kernel.engine.policies import Policies
from aegis_kernel.engine.standing import Standing
from aegis_kernel.engine.streams import View
from aegis_kernel.spi.authorizer import Authorizer, Circumstances, Decision
from aegis_kernel.spi.context import Clock

_BY_KERNEL = Permission("the kernel itself")
_ABOVE = ", as an agent above it has them"

# Their phrases say themselves what they are about.
_WITHOUT_A_KEY = frozenset(
    {
        Operation.RANDOM,
        Operation.ISSUE_AGENT,
        Operation.GET_AGENT,
        Operation.LIST_AGENTS,
        Operation.REVOKE_AGENT,
        Operation.REVOKE_AGENTS,
    }
)


class Authority:
    """Owned by the kernel. The pipeline asks it in step 3, for every key that a request names."""

    def __init__(
        self,
        authorizer: Authorizer,
        clock: Clock,
        policies: Policies,
        agents: Agents,
        grants: Grants,
    ) -> None:
        self._authorizer = authorizer
        self._clock = clock
        self._policies = policies
        self._agents = agents
        self._grants = grants

    async def stand(self, job: Job) -> Job:
        """Return the job with its caller's standing, read anew at every try where it has streams.

        Raises UnavailableError where other policies than the ones here are the active ones.
        """
        is_agent = job.caller.principal.kind is PrincipalKind.AGENT
        if job.declaration.by_kernel or (self._policies.is_free and not is_agent):
            return job
        # What is not recorded has no commit, and so no fence: it asks the store.
        fresh = not job.declaration.recorded
        if fresh and not self._policies.is_free:
            await self._policies.look_anew()
        policy = () if self._policies.is_free else self._policies.expected()
        if not is_agent:
            return standing_as(job, Standing(job.caller.principal, policy))
        standing = await self._agents.standing(job.caller.principal, fresh=fresh)
        return standing_as(job, replace(standing, expects=(*standing.expects, *policy)))

    async def permit(self, job: Job, view: View) -> Permission:
        """Return why `job` is allowed; a counted grant then is this job's alone until `settled`.

        Raises KeyNotFoundError or PermissionDeniedError, and UnauthorizedError for an agent that has
        ended.
        """
        self.require_live(job.caller)
        about = job.declaration.belongs_to
        owner = None if about is None else await about(self._agents, job.caller, job.request)
        said = self._permit(job, job.key_id, view.key, owner)
        further, second = job.declaration.further, None
        if further is not None and view.further is not None:
            second = self._permit(job, further.key_id(job.request), view.further.key)
            if is_one_key(view):
                second = None
        if type(said) is Counted or type(second) is Counted:
            return await self._grants.settle(job, said, second)
        return said if second is None else joined(said, second)

    def require_lasting(self, job: Job, permission: Permission) -> None:
        """Raise PermissionDeniedError if the grants that allowed `job` have expired meanwhile."""
        if permission.until is not None and self._clock.time() >= permission.until:
            raise _denial(job, f"{permission.reason} expired")

    def settled(self, event_id: str) -> None:
        """Let others use the counted grants that the job of that record has used."""
        if self._grants.turns.held:
            self._grants.turns.give_back(event_id)

    def require_live(self, caller: Caller) -> None:
        """Raise UnauthorizedError, as for any bad credential, if `caller` is an agent that has ended."""
        ended = self._ended(caller)
        if ended is not None:
            raise UnauthorizedError(REFUSED, reason=ended)

    def decide(
        self,
        caller: Caller,
        operation: Operation,
        key: Key | None,
        request: object = None,
        belongs_to: str | None = None,
    ) -> Decision:
        """Return whether `caller` may; what a request asks for beside its key is `request`.

        An agent may what the principal may that it acts for, if the agent and each one above it
        lives and has a scope that allows it.
        """
        circumstances = Circumstances(
            at=self._clock.time(),
            source_ip=caller.source_ip,
            contexts=_contexts(request),
            belongs_to=belongs_to,
        )
        refusal = self._ended(caller) or _outside(caller, operation, key, circumstances.contexts)
        if refusal is not None:
            return Decision(allowed=False, reason=refusal, final=True)
        return self._authorizer.decide(caller.acts_for, operation, key, circumstances)

    def may_read(self, caller: Caller, key: Key) -> bool:
        """Return whether a list may show `key` to `caller`. No grant shows a key in lists."""
        return not _is_hidden(key) and self.decide(caller, Operation.GET, key).allowed

    def readable_owner(self, caller: Caller) -> str | None:
        """Return the one owner whose keys a list may show to `caller`, None for no such bound."""
        return self._authorizer.readable_owner(caller.acts_for)

    async def forget(self, stream: str) -> None:
        """Drop what is known of `stream`, which has moved."""
        if stream == POLICY:
            await self._policies.refresh()
        if stream.startswith((AGENTS, PRINCIPALS)):
            self._agents.forget(stream)

    def _permit(
        self, job: Job, key_id: KeyId | Alias | None, key: Key | None, belongs_to: str | None = None
    ) -> Permission | Counted:
        by_kernel = job.declaration.by_kernel
        if key_id is not None and (key is None or (_is_hidden(key) and not by_kernel)):
            raise KeyNotFoundError(f"No key {key_id}")
        if by_kernel:
            return _BY_KERNEL
        decision = self.decide(job.caller, job.declaration.name, key, job.request, belongs_to)
        if decision.allowed:
            return Permission(decision.reason)
        denial = _denial(job, decision.reason)
        if decision.final or key is None or not key.grants:
            raise denial
        now, contexts = self._clock.time(), _contexts(job.request)
        return lift(denial, key, job, contexts, now)

    def _ended(self, caller: Caller) -> str | None:
        standing = caller.standing
        if standing is not None:
            return standing.ended(self._clock.time())
        is_agent = caller.principal.kind is PrincipalKind.AGENT
        return "agent without standing" if is_agent else None


def standing_as(job: Job, standing: Standing) -> Job:
    """Return the job of a caller with that standing."""
    return replace(job, caller=replace(job.caller, standing=standing))


def _denial(job: Job, reason: str) -> PermissionDeniedError:
    operation = job.declaration.name
    return PermissionDeniedError(
        f"{job.caller.principal.subject} is not permitted to {LAW[operation].phrase}"
        f"{'' if operation in _WITHOUT_A_KEY else ' this key'}",
        reason=reason,
    )


def _outside(
    caller: Caller, operation: Operation, key: Key | None, contexts: Sequence[Mapping[str, str]]
) -> str | None:
    """Return why the scopes of an agent and of those above it refuse, None where they do not."""
    if caller.standing is None:
        return None
    key_id = None if key is None else key.id
    for distance, agent in enumerate(caller.standing.chain):
        if not agent.allows(operation, key_id, contexts):
            return f"outside the agent's scopes{_ABOVE if distance else ''}"
    return None


def _is_hidden(key: Key) -> bool:
    # The kernel's own keys are nobody else's to see, not even an admin's.
    return key.owner == SYSTEM_SUBJECT


def _contexts(request: object) -> tuple[Mapping[str, str], ...]:
    """Return the encryption contexts that a request binds to, one for each item of a batch."""
    items = getattr(request, "items", None)
    if items is not None:
        return tuple([context for item in items for context in _contexts(item)])
    context = getattr(request, "context", None) or {}
    if not hasattr(request, "destination_context"):
        return (context,)
    # A destination without a context is bound to the empty one, and is decided on as such.
    return (context, request.destination_context or {})
