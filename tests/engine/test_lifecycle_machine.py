"""No sequence of requests leaves the law, and replaying the journal always gives the live key."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from aegis_kernel.domain.errors import AegisError, IllegalOperationError
from aegis_kernel.domain.events import Event, replay
from aegis_kernel.domain.key import Key, key_stream
from aegis_kernel.domain.lifecycle import LAW, KeyState, Operation, permit
from aegis_kernel.domain.rotation import RotationPolicy
from aegis_kernel.domain.spec import Algorithm, KeySpec
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.testing.doubles import ManualClock
from tests.support.kernel import ALICE, settings

SECRET = "3f1e8a-a-secret-of-more-than-32-bytes-0c7b"

# KMIP 2.1 §4.57 and SP 800-57 §7: no other edge exists between the states of a key.
EDGES = {
    (KeyState.PRE_ACTIVE, KeyState.ACTIVE),
    (KeyState.PRE_ACTIVE, KeyState.COMPROMISED),
    (KeyState.PRE_ACTIVE, KeyState.DESTROYED),
    (KeyState.ACTIVE, KeyState.DEACTIVATED),
    (KeyState.ACTIVE, KeyState.COMPROMISED),
    (KeyState.DEACTIVATED, KeyState.COMPROMISED),
    (KeyState.DEACTIVATED, KeyState.DESTROYED),
    (KeyState.COMPROMISED, KeyState.DESTROYED),
}

REQUESTS: dict[Any, Any] = {
    op.ACTIVATE: m.Transition(),
    op.DEACTIVATE: m.Transition("done"),
    op.DISABLE: m.Transition(),
    op.ENABLE: m.Transition(),
    op.ROTATE: m.Rotate(),
    op.COMPROMISE: m.Compromise("leaked"),
    op.SCHEDULE_DESTRUCTION: m.ScheduleDestruction(7),
    op.CANCEL_DESTRUCTION: m.Transition(),
    op.UPDATE: m.Update(description="updated"),
    op.ENCRYPT: m.Encrypt(m.Secret(b"x")),
}


class Histories(RuleBasedStateMachine):
    """One key, random requests, random time."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._folder = Path(tempfile.mkdtemp())
        self._clock = ManualClock()

    @initialize()
    def create(self) -> None:
        strict = {"AEGIS_AUTH_KIND": "hmac", "AEGIS_AUTH_HMAC_SECRET": SECRET}

        async def boot() -> Kernel:
            return await Kernel(settings(self._folder, **strict), self._clock).__aenter__()

        self._kernel = self._do(boot())
        spec = KeySpec(name="machine", algorithm=Algorithm.AES, size_bits=128)
        created = self._do(self._kernel.pipeline.run(op.CREATE, ALICE, m.CreateKey(spec=spec)))
        self._key: Key = created.key

    @rule(declaration=st.sampled_from(list(REQUESTS)))
    def ask(self, declaration: Any) -> None:
        allowed = self._allowed(declaration.name)
        self._ask(declaration, REQUESTS[declaration], allowed)

    @rule(number=st.integers(1, 4))
    def compromise_a_version(self, number: int) -> None:
        version = self._key.version(number)
        if version is None:
            return
        allowed = self._allowed(Operation.COMPROMISE_VERSION)
        allowed = allowed and version.state is not KeyState.COMPROMISED
        self._ask(op.COMPROMISE_VERSION, m.CompromiseVersion(number, "leaked"), allowed)

    def _ask(self, declaration: Any, request: Any, allowed: bool) -> None:
        try:
            self._do(self._kernel.pipeline.run(declaration, ALICE, request, self._key.id))
        except IllegalOperationError:
            assert not allowed
        else:
            assert allowed
        self._look()

    @rule(days=st.sampled_from([None, 1, 5]))
    def set_a_rotation_policy(self, days: int | None) -> None:
        policy = RotationPolicy(period_days=days, notice_days=2 if days == 5 else None)
        request = m.Update(rotation_policy=policy if days else None)
        self._ask(op.UPDATE, request, self._allowed(Operation.UPDATE))
        self._look()

    @rule(days=st.sampled_from([0.001, 1.0, 8.0]))
    def time_passes(self, days: float) -> None:
        self._clock.advance(days * 86_400)
        self._do(self._kernel.sweep.once())
        self._do(self._kernel.rotation.once())
        self._clock.advance(30)
        self._do(self._kernel.sweep.once())
        self._do(self._kernel.rotation.once())
        self._look()

    @invariant()
    def replay_equals_the_live_key(self) -> None:
        if not hasattr(self, "_key"):
            return
        history = self._do(self._kernel.providers.journal.history(key_stream(self._key.id)))
        events = [msgspec.json.decode(event, type=Event) for event in history]
        assert replay(events) == self._key

    def teardown(self) -> None:
        if hasattr(self, "_kernel"):
            self._do(self._kernel.__aexit__(None, None, None))
        self._loop.close()
        shutil.rmtree(self._folder)

    def _look(self) -> None:
        answer = self._do(self._kernel.pipeline.run(op.GET, ALICE, m.GetKey(), self._key.id))
        before, after = self._key, answer.key
        assert before.state is after.state or (before.state, after.state) in EDGES
        assert after.current_version >= before.current_version
        assert sum(version.state is KeyState.ACTIVE for version in after.versions) <= 1
        for old, new in zip(before.versions, after.versions, strict=False):
            if old.state is KeyState.COMPROMISED:
                assert new.state in (KeyState.COMPROMISED, KeyState.DESTROYED)
                assert (new.compromised_at, new.reason) == (old.compromised_at, old.reason)
        self._key = after

    def _allowed(self, operation: Operation) -> bool:
        assert operation in LAW
        try:
            permit(self._key, operation)
        except AegisError:
            return False
        return True

    def _do(self, work: Awaitable[Any]) -> Any:
        return self._loop.run_until_complete(work)


TestHistories = Histories.TestCase
TestHistories.settings = hypothesis_settings(
    max_examples=200, stateful_step_count=20, deadline=None
)
