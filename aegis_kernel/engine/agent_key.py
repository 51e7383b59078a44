"""The system key `aegis/agent-tokens`: made at the first agent, once for all workers, and hidden."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from aegis_kernel.domain.errors import UnavailableError
from aegis_kernel.domain.events import Event, KeyActivated, KeyCreated, KeyUpdated
from aegis_kernel.domain.key import Key, KeyId, key_stream
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import SYSTEM_SUBJECT
from aegis_kernel.domain.rotation import RotationPolicy
from aegis_kernel.domain.spec import Algorithm, Curve, KeySpec
from aegis_kernel.domain.usage import Usage
from aegis_kernel.engine import masters
from aegis_kernel.engine.masters import Commit, Masters
from aegis_kernel.engine.records import Scribe
from aegis_kernel.engine.streams import Streams, View, append
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.journal import Conflict, Entry, PutMaterial
from aegis_kernel.spi.root_of_trust import Binding, RootOfTrust

# One id in every journal, so that it is made once: whoever is second finds its stream taken.
AGENT_KEY_ID = KeyId("a9e15000-0000-4000-8000-000000000001")
AGENT_KEY_NAME = "aegis/agent-tokens"

ROTATED_EVERY_DAYS = 30
MAX_ATTEMPTS = 8
# How often, in a second, a token may have the store asked for a version that is not known here.
LOOKS_PER_SECOND = 20

# P-256 is what every root of trust makes.
_SPEC = KeySpec(
    name=AGENT_KEY_NAME,
    algorithm=Algorithm.EC,
    curve=Curve.P256,
    usages=frozenset({Usage.SIGN, Usage.VERIFY}),
)


class AgentKey(msgspec.Struct, kw_only=True):
    """What makes the key and finds it. Owned by the kernel."""

    streams: Streams
    roots: Mapping[str, RootOfTrust]
    masters: Masters
    commit: Commit
    scribe: Scribe
    clock: Clock
    window_began: float = float("-inf")
    looks: int = 0

    async def for_signing(self) -> View:
        """Return the key as the store has it, made if it was not there."""
        for _ in range(MAX_ATTEMPTS):
            view = await self.streams.view(AGENT_KEY_ID, fresh=True)
            if view.key is not None:
                return view
            await self._make()
        raise UnavailableError("The key for agents' tokens cannot be made now; try again")

    async def for_verifying(self, version: int) -> Key | None:
        """Return the key if it has that version, else None."""
        view = await self.streams.view(AGENT_KEY_ID) if self._is_cached() else None
        if view is None or view.key is None or view.key.current_version < version:
            if not self._may_look():
                return None
            view = await self.streams.view(AGENT_KEY_ID, fresh=True)
        key = view.key
        return key if key is not None and 1 <= version <= key.current_version else None

    async def _make(self) -> None:
        # Read before the material is sealed, as the pipeline does.
        master = self.masters.sequence
        root = self._root()
        material = await self.roots[root].create(_SPEC, Binding(AGENT_KEY_ID, 1, _SPEC))
        stream = key_stream(AGENT_KEY_ID)
        appended, _ = append(View(stream, 0, None), _first_events(root, self._now()))
        entry = Entry(
            expects={stream: 0, masters.STREAM: master},
            appends=(appended,),
            material=(PutMaterial(AGENT_KEY_ID, 1, material),),
            records=(self.scribe.own(Operation.CREATE, AGENT_KEY_NAME, AGENT_KEY_ID),),
        )
        verdict = await self.commit(entry)
        if isinstance(verdict, Conflict) and verdict.stream == masters.STREAM:
            await self.masters.refresh()

    def _root(self) -> str:
        for name, root in self.roots.items():
            if root.supports(_SPEC, Operation.CREATE):
                return name
        raise UnavailableError(
            "Agents need a root of trust that makes P-256 keys", reason="no root for agent tokens"
        )

    def _is_cached(self) -> bool:
        return self.streams.knows(AGENT_KEY_ID)

    def _may_look(self) -> bool:
        now = self.clock.monotonic()
        if now - self.window_began >= 1:
            self.window_began, self.looks = now, 0
        self.looks += 1
        return self.looks <= LOOKS_PER_SECOND

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self.clock.time() * 1000) / 1000, UTC)


def _first_events(root: str, now: datetime) -> tuple[Event, ...]:
    return (
        KeyCreated(
            at=now,
            id=AGENT_KEY_ID,
            spec=_SPEC,
            owner=SYSTEM_SUBJECT,
            root_of_trust=root,
            published=True,
        ),
        KeyActivated(at=now),
        KeyUpdated(at=now, rotation_policy=RotationPolicy(period_days=ROTATED_EVERY_DAYS)),
    )
