"""Random histories of keys: the same requests, made of several kernels, one journal kind each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from hypothesis import strategies as st

from aegis_kernel.domain.errors import AegisError
from aegis_kernel.domain.events import Event, fold, replay
from aegis_kernel.domain.key import Key, KeyId, key_stream
from aegis_kernel.domain.spec import Algorithm, KeySpec
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from tests.faults.checker import BrokenPromiseError
from tests.support.kernel import ALICE

KEYS = 3
_SPEC = KeySpec(name="history", algorithm=Algorithm.AES, size_bits=128)
_ID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_REQUESTS = {
    "activate": (op.ACTIVATE, m.Transition(reason="a history")),
    "deactivate": (op.DEACTIVATE, m.Transition()),
    "disable": (op.DISABLE, m.Transition()),
    "enable": (op.ENABLE, m.Transition()),
    "rotate": (op.ROTATE, m.Rotate()),
    "compromise": (op.COMPROMISE, m.Compromise(reason="a history")),
    "schedule": (op.SCHEDULE_DESTRUCTION, m.ScheduleDestruction()),
    "cancel": (op.CANCEL_DESTRUCTION, m.Transition()),
    "describe": (op.UPDATE, m.Update(description="a history")),
    "tag": (op.UPDATE, m.Update(tags={"n": "1"})),
}


@dataclass(frozen=True, slots=True)
class Request:
    """`name` is of the table above, `key` the number of the key in its history."""

    name: str
    key: int


HISTORIES = st.lists(
    st.builds(Request, st.sampled_from(sorted(_REQUESTS)), st.integers(0, KEYS - 1)),
    min_size=1,
    max_size=12,
)


async def live(kernel: Kernel, history: Sequence[Request]) -> list[bytes]:
    """Live the history with new keys; return what each request came to, and what each key is now.

    Raises BrokenPromiseError unless replay, projection and the key as it is served are one.
    """
    keys = [await _create(kernel) for _ in range(KEYS)]
    came_to = [await _ask(kernel, request, keys[request.key]) for request in history]
    ends = [await _require_equal(kernel, key_id) for key_id in keys]
    return [*came_to, *ends]


async def _create(kernel: Kernel) -> KeyId:
    made = await kernel.pipeline.run(op.CREATE, ALICE, m.CreateKey(spec=_SPEC))
    return KeyId(made.key.id)


async def _ask(kernel: Kernel, request: Request, key_id: KeyId) -> bytes:
    declaration, message = _REQUESTS[request.name]
    run: Any = kernel.pipeline.run
    try:
        answer = await run(declaration, ALICE, message, key_id)
    except AegisError as error:
        return error.code.encode()
    return _ID.sub(b"id", msgspec.json.encode(answer))


async def _require_equal(kernel: Kernel, key_id: KeyId) -> bytes:
    journal = kernel.providers.journal
    stored = await journal.load(key_stream(key_id))
    events = [msgspec.json.decode(e, type=Event) for e in await journal.history(key_stream(key_id))]
    if stored is None or stored.sequence != len(events):
        raise BrokenPromiseError(f"{len(events)} events, and {stored}")
    projected = msgspec.json.decode(stored.snapshot, type=Key)
    served = (await kernel.pipeline.run(op.GET, ALICE, m.GetKey(), key_id)).key
    if not replay(events) == _resumed(events) == projected == served:
        raise BrokenPromiseError(f"replay, projection and the key served differ after {events}")
    return _ID.sub(b"id", stored.snapshot)


def _resumed(events: Sequence[Event]) -> Key:
    """Fold the first half, keep it as a snapshot does, and fold the rest upon that."""
    half = (len(events) + 1) // 2
    key = msgspec.json.decode(msgspec.json.encode(replay(events[:half])), type=Key)
    for event in events[half:]:
        key = fold(key, event)
    return key
