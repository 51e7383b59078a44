"""The way of a request, once for every operation: load, authorize, permit, act, commit, observe.

The release fence: whatever was decided on is expected unmoved by the commit of the audit record. If
it has moved, the result is thrown away and the request starts again. So views may be stale, yet no
decision made on a stale view is ever released.
"""

from __future__ import annotations

import logging
from typing import Any, TypeVar, cast

import msgspec

from aegis_kernel.domain.alias import Alias
from aegis_kernel.domain.errors import (
    AegisError,
    InternalError,
    KeyNotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from aegis_kernel.domain.key import Key, KeyId, KeyVersion, key_stream
from aegis_kernel.domain.lifecycle import LAW, Operation, permit
from aegis_kernel.engine import masters
from aegis_kernel.engine.aliases import FAMILY as ALIASES
from aegis_kernel.engine.aliases import Aliases
from aegis_kernel.engine.bench import Bench
from aegis_kernel.engine.commit import Committer
from aegis_kernel.engine.observers import Observers
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages import KeyAnswer
from aegis_kernel.engine.records import Scribe
from aegis_kernel.engine.streams import Streams, View, append
from aegis_kernel.spi.authorizer import Authorizer
from aegis_kernel.spi.journal import Conflict, Entry, PutMaterial

MAX_ATTEMPTS = 16

Request = TypeVar("Request")
Answer = TypeVar("Answer")

_NO_VIEW = View("", 0, None)
_log = logging.getLogger("aegis")


class _Job(msgspec.Struct, frozen=True, gc=False):
    """One request on its way. Its record's id is fixed before the first try."""

    declaration: Declaration[Any, Any]
    caller: Caller
    request: Any
    key_id: KeyId | Alias | None
    event_id: str


class _Kept(msgspec.Struct, frozen=True):
    """A costly effect, and the key and versions that it was made over."""

    effect: Effect
    key_id: KeyId
    versions: tuple[KeyVersion, ...]


class Pipeline:
    """Carries out declarations. Owned by the kernel, shared by all wires."""

    def __init__(
        self,
        *,
        bench: Bench,
        streams: Streams,
        aliases: Aliases,
        masters: masters.Masters,
        authorizer: Authorizer,
        committer: Committer,
        scribe: Scribe,
        observers: Observers,
    ) -> None:
        self._bench = bench
        self._streams = streams
        self._aliases = aliases
        self._masters = masters
        self._authorizer = authorizer
        self._committer = committer
        self._scribe = scribe
        self._observers = observers

    async def run(
        self,
        declaration: Declaration[Request, Answer],
        caller: Caller,
        request: Request,
        key_id: KeyId | Alias | None = None,
    ) -> Answer:
        """Return the operation's answer, after its audit record is durable.

        `key_id` may be an alias, which is resolved anew at each try.

        Raises AegisError for every refusal, whose record is durable too.
        """
        watch = self._observers.begin(declaration.name, caller.headers)
        job = _Job(declaration, caller, request, key_id, self._scribe.new_event_id())
        outcome = InternalError.code
        try:
            effect, view = await self._carry_out(job)
            outcome, key_id = effect.outcome, effect.key_id or _id_of(job, view)
            return cast(Answer, effect.answer or _key_answer(view, effect))
        except AegisError as error:
            outcome = error.code
            raise
        finally:
            known = None if isinstance(key_id, Alias) else key_id
            self._observers.end(watch, outcome, caller.principal, known)

    async def _carry_out(self, job: _Job) -> tuple[Effect, View]:
        kept: _Kept | None = None
        for _ in range(MAX_ATTEMPTS):
            # Read before anything is sealed: what was sealed under an older master key must lose.
            master = self._masters.sequence
            view = await self._look(job)
            try:
                effect = await self._decide(job, view, kept)
            except AegisError as error:
                conflict = await self._commit(self._refusal(job, view, error))
                if conflict is None:
                    raise
            else:
                if not job.declaration.recorded:
                    return effect, view
                entry, after = self._entry(job, view, effect, master)
                conflict = await self._commit(entry)
                if conflict is None:
                    self._learn(view, after)
                    return effect, after
                kept = _keep(job, view, effect, conflict)
            await self._forget(conflict, view)
            if self._masters.sequence != master:
                kept = None
        raise UnavailableError("This key is changing too fast; try again in a moment")

    async def _look(self, job: _Job) -> View:
        if job.key_id is None:
            return _NO_VIEW
        fresh = not job.declaration.recorded
        if isinstance(job.key_id, Alias):
            return await self._aliases.view(job.key_id, fresh=fresh)
        return await self._streams.view(job.key_id, fresh=fresh)

    async def _decide(self, job: _Job, view: View, kept: _Kept | None) -> Effect:
        key = view.key
        if key is None and job.key_id is not None:
            raise KeyNotFoundError(f"No key {job.key_id}")
        if not job.declaration.by_kernel:
            self._authorize(job, key)
        if key is not None:
            permit(key, job.declaration.name)
            if kept is not None and (kept.key_id, kept.versions) == (key.id, key.versions):
                return kept.effect
        try:
            return await job.declaration.act(self._bench, job.caller, key, job.request)
        except AegisError:
            raise
        except Exception as error:
            _log.exception("%s failed, request %s", job.declaration.name, job.caller.request_id)
            raise InternalError("Unexpected error", reason=type(error).__name__) from error

    def _authorize(self, job: _Job, key: Key | None) -> None:
        principal, operation = job.caller.principal, job.declaration.name
        decision = self._authorizer.decide(principal, operation, key, job.request)
        if not decision.allowed:
            raise PermissionDeniedError(
                f"{principal.subject} is not permitted to {LAW[operation].phrase}"
                f"{'' if operation is Operation.RANDOM else ' this key'}",
                reason=decision.reason,
            )

    def _refusal(self, job: _Job, view: View, error: AegisError) -> Entry:
        record = self._scribe.refusal(
            job.event_id, job.declaration.name, job.caller, _id_of(job, view), error
        )
        return Entry(expects=_expects(view), records=(record,))

    def _entry(self, job: _Job, view: View, effect: Effect, master: int) -> tuple[Entry, View]:
        key_id = effect.key_id or _id_of(job, view)
        if effect.key_id is not None:
            view = View(key_stream(effect.key_id), 0, None)
        record = self._scribe.effect(job.event_id, job.declaration.name, job.caller, key_id, effect)
        expects = dict(effect.expects) | _expects(view)
        if not effect.events:
            return Entry(expects=expects, appends=effect.appends, records=(record,)), view
        if any(isinstance(change, PutMaterial) for change in effect.material):
            expects[masters.STREAM] = master
        appended, after = append(view, effect.events)
        entry = Entry(
            expects=expects,
            appends=(appended, *effect.appends),
            material=effect.material,
            records=(record,),
        )
        return entry, after

    async def _commit(self, entry: Entry) -> Conflict | None:
        verdict = await self._committer.commit(entry)
        return verdict if isinstance(verdict, Conflict) else None

    def _learn(self, before: View, after: View) -> None:
        if after is before or after.key is None:
            return
        self._streams.put(after)
        if after.key.destroyed_at is not None:
            self._bench.opened.forget(after.key)

    async def _forget(self, conflict: Conflict, view: View) -> None:
        if conflict.stream == masters.STREAM:
            await self._masters.refresh()
        if conflict.stream.startswith(ALIASES):
            self._aliases.forget(conflict.stream)
        if view.key is not None:
            self._streams.forget(view.key.id)
            self._bench.opened.forget(view.key)


def _expects(view: View) -> dict[str, int]:
    if view.through is not None:
        return {view.stream: view.sequence, view.through[0]: view.through[1]}
    return {view.stream: view.sequence} if view.stream else {}


def _id_of(job: _Job, view: View) -> KeyId | None:
    if isinstance(job.key_id, Alias):
        return view.key.id if view.key is not None else None
    return job.key_id


def _keep(job: _Job, view: View, effect: Effect, conflict: Conflict) -> _Kept | None:
    if not job.declaration.costly or view.key is None or conflict.stream == masters.STREAM:
        return None
    return _Kept(effect, view.key.id, view.key.versions)


def _key_answer(view: View, effect: Effect) -> KeyAnswer:
    if view.key is None:
        raise InternalError("An operation was answered with no key")
    return KeyAnswer(view.key, view.sequence, effect.details)
