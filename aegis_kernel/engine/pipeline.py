"""The way of a request, once for every operation: load, authorize, permit, act, commit, observe.

The release fence: whatever was decided on is expected unmoved by the commit of the audit record. If
it has moved, the result is thrown away and the request starts again. So views may be stale, yet no
decision made on a stale view is ever released.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from aegis_kernel.domain.alias import Alias
from aegis_kernel.domain.audit import Mode
from aegis_kernel.domain.errors import (
    AegisError,
    InternalError,
    UnavailableError,
)
from aegis_kernel.domain.key import KeyId, key_stream
from aegis_kernel.engine import dry_run, idempotency, masters
from aegis_kernel.engine.acting import Stage
from aegis_kernel.engine.aliases import FAMILY as ALIASES
from aegis_kernel.engine.aliases import Aliases
from aegis_kernel.engine.authority import Authority
from aegis_kernel.engine.bench import Bench
from aegis_kernel.engine.commit import Committer
from aegis_kernel.engine.job import (
    Job,
    Kept,
    claim_of,
    destination_of,
    expects_of,
    id_of,
    joined,
    keep,
    key_answer,
    permit_job,
    standing_of,
)
from aegis_kernel.engine.limits import LimitReachedError, Limits
from aegis_kernel.engine.observers import Observers
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect, Terms
from aegis_kernel.engine.permission import Permission
from aegis_kernel.engine.records import Scribe
from aegis_kernel.engine.streams import Streams, View, append
from aegis_kernel.spi.journal import Conflict, Entry, IdempotencyRow, PutMaterial, Record

MAX_ATTEMPTS = 16

Request = TypeVar("Request")
Answer = TypeVar("Answer")

_NO_VIEW = View("", 0, None)


class Pipeline:
    """Carries out declarations. Owned by the kernel, shared by all wires."""

    def __init__(
        self,
        *,
        bench: Bench,
        streams: Streams,
        aliases: Aliases,
        masters: masters.Masters,
        authority: Authority,
        committer: Committer,
        scribe: Scribe,
        observers: Observers,
        stage: Stage,
        limits: Limits | None = None,
    ) -> None:
        self._bench = bench
        self._streams = streams
        self._aliases = aliases
        self._masters = masters
        self._authority = authority
        self._committer = committer
        self._scribe = scribe
        self._observers = observers
        self._stage = stage
        self._limits = limits

    async def run(
        self,
        declaration: Declaration[Request, Answer],
        caller: Caller,
        request: Request,
        key_id: KeyId | Alias | None = None,
        terms: Terms | None = None,
    ) -> Answer:
        """Return the operation's answer, after its audit record is durable.

        `key_id` may be an alias, which is resolved anew at each try.

        Raises AegisError for every refusal, whose record is durable too; those of a rate limit are
        recorded later, as counts.
        """
        watch = self._observers.begin(declaration.name, caller.headers)
        claim = claim_of(declaration, caller, request, key_id, terms) if terms is not None else None
        event_id = self._scribe.new_event_id()
        job = Job(declaration, caller, request, key_id, event_id, terms, claim)
        outcome, items = InternalError.code, tuple[str, ...]()
        try:
            effect, view = await self._carry_out(job)
            outcome, items = effect.outcome, effect.item_outcomes
            key_id = effect.key_id or id_of(job, view)
            return cast(Answer, effect.answer or key_answer(view, effect))
        except AegisError as error:
            outcome = error.code
            raise
        finally:
            self._authority.settled(event_id)
            known = None if type(key_id) is Alias else key_id
            self._observers.end(watch, outcome, caller.principal, known, items)

    async def try_out(
        self,
        declaration: Declaration[Request, Any],
        caller: Caller,
        request: Request,
        key_id: KeyId | Alias | None = None,
        terms: Terms | None = None,
    ) -> dry_run.Allowance:
        """Return whether `run` would be allowed, and by what; only the audit record is made.

        It is no attempt of the operation, so no telemetry counts it. Raises AegisError where even
        that cannot be told: for an unknown key, or when the journal is away.
        """
        event_id = self._scribe.new_event_id()
        job = Job(declaration, caller, request, key_id, event_id, terms, is_dry=True)
        effect, _ = await self._carry_out(job)
        return cast(dry_run.Allowance, effect.answer)

    async def _carry_out(self, job: Job) -> tuple[Effect, View]:
        kept: Kept | None = None
        for attempt in range(MAX_ATTEMPTS):
            # Read before anything is sealed: what was sealed under an older master key must lose.
            master = self._masters.sequence
            job = await self._authority.stand(job)
            if self._limits is not None and not attempt:
                self._limits.admit(job)
            view = await self._look(job, job.key_id)
            further = job.declaration.further
            if further is not None:
                view = joined(view, await self._look(job, further.key_id(job.request)))
            try:
                effect, permission = await self._decide(job, view, kept)
            except LimitReachedError:
                raise  # counted there, and summarised: a record each would fill the disk
            except AegisError as error:
                conflict = await self._commit(self._refusal(job, view, error))
                if conflict is None:
                    raise
            else:
                if not (job.declaration.recorded or job.is_dry):
                    return effect, view
                entry, after = self._entry(job, view, effect, permission, master)
                conflict = await self._commit(entry)
                if conflict is None:
                    self._learn(view, after)
                    if view.key is not None and not effect.events:
                        self._bench.usage.released(job.declaration.name, view.key.id, effect)
                    return effect, after
                kept = keep(job, view, effect, conflict)
            await self._forget(conflict, view)
            if self._masters.sequence != master:
                kept = None
        raise UnavailableError("This key is changing too fast; try again in a moment")

    async def _look(self, job: Job, key_id: KeyId | Alias | None) -> View:
        if key_id is None:
            return _NO_VIEW
        fresh = not job.declaration.recorded
        if type(key_id) is Alias:
            return await self._aliases.view(key_id, fresh=fresh)
        return await self._streams.view(key_id, fresh=fresh)

    async def _decide(
        self, job: Job, view: View, kept: Kept | None
    ) -> tuple[Effect, Permission | None]:
        if job.is_dry:
            return await self._try(job, view), None
        permission = await self._authority.permit(job, view)
        if job.claim is not None:
            # Before what the effect itself has made untrue: its own precondition, and the law.
            row = await self._bench.journal.replay(job.claim.scope)
            if row is not None:
                return idempotency.recall(row, job.claim, job.declaration.answers_with), None
        permit_job(job, view)
        if kept is not None and kept.holds_for(view.key):
            return kept.effect, permission
        effect = await self._stage.act(job, view)
        if job.caller.standing is not None:
            self._authority.require_live(job.caller)  # it may have ended while it acted
        if permission.until is not None:
            self._authority.require_lasting(job, permission)
        return effect, permission

    async def _try(self, job: Job, view: View) -> Effect:
        try:
            reason = (await self._authority.permit(job, view)).reason
            permit_job(job, view)
        except dry_run.REFUSALS as error:
            return dry_run.refusal(error)
        return dry_run.allowance(reason, view.key)

    def _refusal(self, job: Job, view: View, error: AegisError) -> Entry:
        mode = Mode.DRY_RUN if job.is_dry else None
        effect = Effect(
            outcome=error.code,
            reason=error.reason,
            mode=mode,
            destination_key_id=destination_of(view),
        )
        record = self._scribe.effect(
            job.event_id, job.declaration.name, job.caller, id_of(job, view), effect
        )
        return Entry(expects=expects_of(view) | dict(standing_of(job)), records=(record,))

    def _entry(
        self, job: Job, view: View, effect: Effect, permission: Permission | None, master: int
    ) -> tuple[Entry, View]:
        key_id = effect.key_id or id_of(job, view)
        if permission is not None:
            effect = permission.named_in(effect)
        record = self._scribe.effect(job.event_id, job.declaration.name, job.caller, key_id, effect)
        appends, after = effect.appends, view
        if effect.events:
            if effect.key_id is not None:
                view = View(key_stream(effect.key_id), 0, None)
            appended, after = append(view, effect.events)
            appends = (appended, *appends)
        expects = expects_of(view)
        if effect.expects:
            expects = dict(effect.expects) | expects
        standing = standing_of(job)
        if standing:
            expects.update(standing)
        if permission is not None and permission.appends:
            expects.update(permission.expects)
            appends = (*appends, *permission.appends)
        if any(isinstance(change, PutMaterial) for change in effect.material):
            expects[masters.STREAM] = master
        entry = Entry(
            expects=expects,
            appends=appends,
            material=effect.material,
            records=(record, *self._further(job, key_id, effect)),
            idempotency=self._row(job, effect, after) if appends else None,
        )
        return entry, after

    def _further(self, job: Job, key_id: KeyId | None, effect: Effect) -> tuple[Record, ...]:
        if not effect.further:
            return ()
        scribe, name, caller = self._scribe, job.declaration.name, job.caller
        return tuple(
            [scribe.effect(scribe.new_event_id(), name, caller, key_id, e) for e in effect.further]
        )

    def _row(self, job: Job, effect: Effect, after: View) -> IdempotencyRow | None:
        if job.claim is None:
            return None
        answer, key_id = (
            effect.answer or key_answer(after, effect),
            effect.key_id or (after.key.id if after.key else None),
        )
        now = self._bench.now()
        return idempotency.remember(job.claim, answer, key_id, now, effect.agent_id)

    async def _commit(self, entry: Entry) -> Conflict | None:
        verdict = await self._committer.commit(entry)
        return verdict if type(verdict) is Conflict else None

    def _learn(self, before: View, after: View) -> None:
        if after is before or after.key is None:
            return
        self._streams.put(after)
        if after.key.destroyed_at is not None:
            self._bench.opened.forget(after.key)

    async def _forget(self, conflict: Conflict, view: View) -> None:
        if conflict.stream == masters.STREAM:
            await self._masters.refresh()
        await self._authority.forget(conflict.stream)
        if conflict.stream.startswith(ALIASES):
            self._aliases.forget(conflict.stream)
        for key in (view.key, view.further.key if view.further is not None else None):
            if key is not None:
                self._streams.forget(key.id)
                self._bench.opened.forget(key)
