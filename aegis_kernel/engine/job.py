"""One request on its way through the pipeline, and what is decided about it without I/O."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from aegis_kernel.domain.alias import Alias
from aegis_kernel.domain.errors import InternalError, PreconditionFailedError
from aegis_kernel.domain.key import Key, KeyId, KeyVersion
from aegis_kernel.domain.lifecycle import permit, permit_further
from aegis_kernel.engine import idempotency, masters
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect, Terms
from aegis_kernel.engine.operations.messages import KeyAnswer
from aegis_kernel.engine.streams import View
from aegis_kernel.spi.journal import Conflict


class Job(msgspec.Struct, frozen=True, gc=False):
    """One request on its way. Its record's id is fixed before the first try."""

    declaration: Declaration[Any, Any]
    caller: Caller
    request: Any
    key_id: KeyId | Alias | None
    event_id: str
    terms: Terms | None = None
    claim: idempotency.Claim | None = None
    is_dry: bool = False


class Kept(msgspec.Struct, frozen=True):
    """A costly effect, and the key and versions that it was made over."""

    effect: Effect
    key_id: KeyId
    versions: tuple[KeyVersion, ...]

    def holds_for(self, key: Key | None) -> bool:
        return key is not None and (self.key_id, self.versions) == (key.id, key.versions)


def claim_of(
    declaration: Declaration[Any, Any],
    caller: Caller,
    request: Any,
    key_id: KeyId | Alias | None,
    terms: Terms,
) -> idempotency.Claim | None:
    if terms.idempotency_key is None or not declaration.changes:
        return None
    named = terms.idempotency_key
    return idempotency.claim(declaration, caller.principal, key_id, named, request)


def permit_job(job: Job, view: View) -> None:
    if job.terms is not None and job.terms.sequence not in (None, view.sequence):
        raise PreconditionFailedError(
            "The key has changed; GET it and send its ETag as If-Match",
            reason=f"key sequence={view.sequence}",
        )
    if view.key is not None:
        permit(view.key, job.declaration.name)
    if view.further is not None and view.further.key is not None:
        permit_further(view.further.key, job.declaration.name)


def joined(view: View, further: View) -> View:
    """Return the view of both keys. If they are one, it is seen once: two views could differ."""
    if further.stream == view.stream:
        further = replace(further, sequence=view.sequence, key=view.key)
    return replace(view, further=further)


def request_of(job: Job, view: View) -> Any:
    """Return the request, with its second key where it names one."""
    further = job.declaration.further
    if further is None or view.further is None or view.further.key is None:
        return job.request
    return further.given(job.request, view.further.key)


def expects_of(view: View) -> dict[str, int]:
    if view.further is not None:
        return expects_of(view.further) | expects_of(replace(view, further=None))
    if view.through is not None:
        return {view.stream: view.sequence, view.through[0]: view.through[1]}
    return {view.stream: view.sequence} if view.stream else {}


def standing_of(job: Job) -> tuple[tuple[str, int], ...]:
    """Return the streams that say on whose behalf the caller acts, with their sequences."""
    standing = job.caller.standing
    return standing.expects if standing is not None else ()


def id_of(job: Job, view: View) -> KeyId | None:
    if type(job.key_id) is Alias:
        return view.key.id if view.key is not None else None
    return job.key_id


def destination_of(view: View) -> KeyId | None:
    further = view.further
    return further.key.id if further is not None and further.key is not None else None


def keep(job: Job, view: View, effect: Effect, conflict: Conflict) -> Kept | None:
    if not job.declaration.costly or view.key is None or conflict.stream == masters.STREAM:
        return None
    return Kept(effect, view.key.id, view.key.versions)


def key_answer(view: View, effect: Effect) -> KeyAnswer:
    if view.key is None:
        raise InternalError("An operation was answered with no key")
    return KeyAnswer(view.key, view.sequence, effect.details)
