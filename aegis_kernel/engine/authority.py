"""Who may do what: the authorizer asked, and all that is decided beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from aegis_kernel.domain.alias import Alias
from aegis_kernel.domain.errors import KeyNotFoundError, PermissionDeniedError
from aegis_kernel.domain.key import Key, KeyId
from aegis_kernel.domain.lifecycle import LAW, Operation
from aegis_kernel.domain.principal import SYSTEM_SUBJECT
from aegis_kernel.engine.job import Job
from aegis_kernel.engine.operations.declaration import Caller
from aegis_kernel.engine.policies import STREAM as POLICY
from aegis_kernel.engine.policies import Policies
from aegis_kernel.engine.standing import Standing
from aegis_kernel.engine.streams import View
from aegis_kernel.spi.authorizer import Authorizer, Circumstances, Decision
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.journal import Append


class Permission(msgspec.Struct, frozen=True, gc=False):
    """Why a request is allowed, and what its commit appends for having been allowed."""

    reason: str
    expects: tuple[tuple[str, int], ...] = ()
    appends: tuple[Append, ...] = ()


_BY_KERNEL = Permission("the kernel itself")


class Authority:
    """Owned by the kernel. The pipeline asks it in step 3, for every key that a request names."""

    def __init__(self, authorizer: Authorizer, clock: Clock, policies: Policies) -> None:
        self._authorizer = authorizer
        self._clock = clock
        self._policies = policies

    async def stand(self, job: Job) -> Job:
        """Return the job with its caller's standing, read anew at every try where it has streams.

        Raises UnavailableError where other policies than the ones here are the active ones.
        """
        if self._policies.is_free or job.declaration.by_kernel:
            return job
        if not job.declaration.recorded:
            await self._policies.look_anew()
        return standing_as(job, Standing(_principal(job.caller), self._policies.expected()))

    async def permit(self, job: Job, view: View) -> Permission:
        """Return why `job` is allowed. Raises KeyNotFoundError or PermissionDeniedError."""
        permission = self._permit(job, job.key_id, view.key)
        further = job.declaration.further
        if further is not None and view.further is not None:
            self._permit(job, further.key_id(job.request), view.further.key)
        return permission

    def decide(
        self, caller: Caller, operation: Operation, key: Key | None, request: object = None
    ) -> Decision:
        """Return whether `caller` may; what a request asks for beside its key is `request`."""
        circumstances = self._circumstances(caller, request)
        return self._authorizer.decide(_principal(caller), operation, key, circumstances)

    def may_read(self, caller: Caller, key: Key) -> bool:
        """Return whether a list may show `key` to `caller`."""
        return not _is_hidden(key) and self.decide(caller, Operation.GET, key).allowed

    def readable_owner(self, caller: Caller) -> str | None:
        """Return the one owner whose keys a list may show to `caller`, None for no such bound."""
        return self._authorizer.readable_owner(_principal(caller))

    async def forget(self, stream: str) -> None:
        """Drop what is known of `stream`, which has moved."""
        if stream == POLICY:
            await self._policies.refresh()

    def _permit(self, job: Job, key_id: KeyId | Alias | None, key: Key | None) -> Permission:
        by_kernel = job.declaration.by_kernel
        if key_id is not None and (key is None or (_is_hidden(key) and not by_kernel)):
            raise KeyNotFoundError(f"No key {key_id}")
        if by_kernel:
            return _BY_KERNEL
        operation = job.declaration.name
        decision = self.decide(job.caller, operation, key, job.request)
        if not decision.allowed:
            raise PermissionDeniedError(
                f"{job.caller.principal.subject} is not permitted to {LAW[operation].phrase}"
                f"{'' if operation is Operation.RANDOM else ' this key'}",
                reason=decision.reason,
            )
        return Permission(decision.reason)

    def _circumstances(self, caller: Caller, request: object) -> Circumstances:
        return Circumstances(
            at=self._clock.time(), source_ip=caller.source_ip, contexts=_contexts(request)
        )


def standing_as(job: Job, standing: Standing) -> Job:
    """Return the job of a caller with that standing."""
    return replace(job, caller=replace(job.caller, standing=standing))


def _principal(caller: Caller) -> Any:
    return caller.principal if caller.standing is None else caller.standing.principal


def _is_hidden(key: Key) -> bool:
    # The kernel's own keys are nobody else's to see, not even an admin's.
    return key.owner == SYSTEM_SUBJECT


def _contexts(request: object) -> tuple[Mapping[str, str], ...]:
    """Return the encryption contexts that a request binds to, one for each item of a batch."""
    items = getattr(request, "items", None)
    if items is not None:
        return tuple([context for item in items for context in _contexts(item)])
    context = getattr(request, "context", None) or {}
    destination = getattr(request, "destination_context", None)
    return (context,) if destination is None else (context, destination)
