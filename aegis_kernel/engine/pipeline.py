"""The way of a request, once for every operation: load, authorize, permit, act, commit, observe.

The release fence: whatever was decided on is expected unmoved by the commit of the audit record. If
it has moved, the result is thrown away and the request starts again. So views may be stale, yet no
decision made on a stale view is ever released.
"""

from __future__ import annotations

import logging
from typing import TypeVar, cast

import msgspec

from aegis_kernel.domain.errors import (
    AegisError,
    InternalError,
    KeyNotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from aegis_kernel.domain.key import Key, KeyId, KeyVersion, key_stream
from aegis_kernel.domain.lifecycle import permit
from aegis_kernel.engine import masters
from aegis_kernel.engine.bench import Bench
from aegis_kernel.engine.commit import Committer
from aegis_kernel.engine.observers import Observers
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages import KeyAnswer
from aegis_kernel.engine.records import Scribe
from aegis_kernel.engine.streams import Streams, View, append
from aegis_kernel.spi.authorizer import Authorizer
from aegis_kernel.spi.journal import Append, Conflict, Entry, PutMaterial

MAX_ATTEMPTS = 16

Request = TypeVar("Request")
Answer = TypeVar("Answer")

_NO_VIEW = View("", 0, None)
_log = logging.getLogger("aegis")


class _Kept(msgspec.Struct, frozen=True):
    """A costly effect, and the versions that it was made over."""

    effect: Effect
    versions: tuple[KeyVersion, ...]


class Pipeline:
    """Carries out declarations. Owned by the kernel, shared by all wires."""

    def __init__(
        self,
        *,
        bench: Bench,
        streams: Streams,
        masters: masters.Masters,
        authorizer: Authorizer,
        committer: Committer,
        scribe: Scribe,
        observers: Observers,
    ) -> None:
        self._bench = bench
        self._streams = streams
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
        key_id: KeyId | None = None,
    ) -> Answer:
        """Return the operation's answer, after its audit record is durable.

        Raises AegisError for every refusal, whose record is durable too.
        """
        watch = self._observers.begin(declaration.name, caller.headers)
        outcome = InternalError.code
        try:
            effect, view = await self._carry_out(declaration, caller, request, key_id)
            outcome, key_id = effect.outcome, effect.key_id or key_id
            return cast(Answer, effect.answer or _key_answer(view))
        except AegisError as error:
            outcome = error.code
            raise
        finally:
            self._observers.end(watch, outcome, caller.principal, key_id)

    async def _carry_out(
        self,
        declaration: Declaration[Request, Answer],
        caller: Caller,
        request: Request,
        key_id: KeyId | None,
    ) -> tuple[Effect, View]:
        event_id = self._scribe.new_event_id()
        kept: _Kept | None = None
        for _ in range(MAX_ATTEMPTS):
            view = _NO_VIEW
            if key_id is not None:
                view = await self._streams.view(key_id, fresh=not declaration.recorded)
            try:
                effect = await self._decide(declaration, caller, request, view, key_id, kept)
            except AegisError as error:
                record = self._scribe.refusal(event_id, declaration.name, caller, key_id, error)
                conflict = await self._commit(Entry(expects=_expects(view), records=(record,)))
                if conflict is None:
                    raise
            else:
                if not declaration.recorded:
                    return effect, view
                entry, after = self._entry(event_id, declaration, caller, view, effect)
                conflict = await self._commit(entry)
                if conflict is None:
                    self._learn(view, after)
                    return effect, after
                kept = _keep(declaration, view, effect, conflict)
            await self._forget(conflict, key_id, view)
        raise UnavailableError("This key is changing too fast; try again in a moment")

    async def _decide(
        self,
        declaration: Declaration[Request, Answer],
        caller: Caller,
        request: Request,
        view: View,
        key_id: KeyId | None,
        kept: _Kept | None,
    ) -> Effect:
        key = view.key
        if key is None and key_id is not None:
            raise KeyNotFoundError(f"No key {key_id}")
        if not declaration.by_kernel:
            self._authorize(declaration, caller, request, key)
        if key is not None:
            permit(key, declaration.name)
            if kept is not None and kept.versions == key.versions:
                return kept.effect
        try:
            return await declaration.act(self._bench, caller, key, request)
        except AegisError:
            raise
        except Exception as error:
            _log.exception("%s failed, request %s", declaration.name, caller.request_id)
            raise InternalError(
                f"Unexpected error; quote request id {caller.request_id}",
                reason=type(error).__name__,
            ) from error

    def _authorize(
        self,
        declaration: Declaration[Request, Answer],
        caller: Caller,
        request: Request,
        key: Key | None,
    ) -> None:
        decision = self._authorizer.decide(caller.principal, declaration.name, key, request)
        if not decision.allowed:
            raise PermissionDeniedError(
                f"{caller.principal.subject} may not {declaration.name} this key",
                reason=decision.reason,
            )

    def _entry(
        self,
        event_id: str,
        declaration: Declaration[Request, Answer],
        caller: Caller,
        view: View,
        effect: Effect,
    ) -> tuple[Entry, View]:
        key_id = view.key.id if view.key is not None else effect.key_id
        if view is _NO_VIEW and key_id is not None:
            view = View(key_stream(key_id), 0, None)
        record = self._scribe.effect(event_id, declaration.name, caller, key_id, effect)
        expects = _expects(view)
        if not effect.events:
            return Entry(expects=expects, records=(record,)), view
        if any(isinstance(change, PutMaterial) for change in effect.material):
            expects[masters.STREAM] = self._masters.sequence
        appended, after = append(view, effect.events)
        appends: tuple[Append, ...] = (appended,)
        entry = Entry(expects=expects, appends=appends, material=effect.material, records=(record,))
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

    async def _forget(self, conflict: Conflict, key_id: KeyId | None, view: View) -> None:
        if conflict.stream == masters.STREAM:
            await self._masters.refresh()
        if key_id is not None:
            self._streams.forget(key_id)
        if view.key is not None:
            self._bench.opened.forget(view.key)


def _expects(view: View) -> dict[str, int]:
    return {view.stream: view.sequence} if view.stream else {}


def _keep(
    declaration: Declaration[Request, Answer], view: View, effect: Effect, conflict: Conflict
) -> _Kept | None:
    if not declaration.costly or view.key is None or conflict.stream == masters.STREAM:
        return None
    return _Kept(effect, view.key.versions)


def _key_answer(view: View) -> KeyAnswer:
    if view.key is None:
        raise InternalError("An operation was answered with no key")
    return KeyAnswer(view.key, view.sequence)
