"""What an operation works with while it acts: time, roots of trust, opened keys, the journal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from aegis_kernel.domain.errors import BadRequestError, PermissionDeniedError, UnavailableError
from aegis_kernel.domain.key import Key, KeyId
from aegis_kernel.domain.lifecycle import LAW, Operation
from aegis_kernel.domain.spec import KeySpec
from aegis_kernel.engine.agent_tokens import AgentTokens
from aegis_kernel.engine.agents import Agents
from aegis_kernel.engine.aliases import Aliases
from aegis_kernel.engine.grants import Grants
from aegis_kernel.engine.opened import Opened, OpenedKeys
from aegis_kernel.engine.streams import Streams
from aegis_kernel.engine.usage import UsageCounter
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.journal import Journal, PutMaterial
from aegis_kernel.spi.root_of_trust import Binding, KeyPair, RootOfTrust

if TYPE_CHECKING:
    from aegis_kernel.engine.authority import Authority
    from aegis_kernel.engine.operations.declaration import Caller


class Destruction(msgspec.Struct, frozen=True):
    """How long destruction waits, in days."""

    default_days: int
    least_days: int
    most_days: int = 365


class Bench:
    """Owned by the kernel, shared by all operations."""

    def __init__(
        self,
        *,
        clock: Clock,
        journal: Journal,
        authority: Authority,
        roots: Mapping[str, RootOfTrust],
        opened: OpenedKeys,
        streams: Streams,
        aliases: Aliases,
        agents: Agents,
        agent_tokens: AgentTokens,
        grants: Grants,
        usage: UsageCounter,
        destruction: Destruction,
        dev_mode: bool,
    ) -> None:
        self._clock = clock
        self._roots = roots
        self.authority = authority
        self.journal = journal
        self.opened = opened
        self.streams = streams
        self.aliases = aliases
        self.agents = agents
        self.agent_tokens = agent_tokens
        self.grants = grants
        self.usage = usage
        self.destruction = destruction
        self.dev_mode = dev_mode

    def now(self) -> datetime:
        """Return the wall clock, UTC, in whole milliseconds."""
        return datetime.fromtimestamp(int(self._clock.time() * 1000) / 1000, UTC)

    def monotonic(self) -> float:
        """Return seconds that only ever grow, to measure a duration by."""
        return self._clock.monotonic()

    async def open(self, key: Key, number: int) -> Opened:
        """Return that version of `key`, which it has, ready to use."""
        return await self.opened.get(key, number)

    def authorize(self, caller: Caller, operation: Operation, key: Key, request: object) -> None:
        """Raise PermissionDeniedError unless `caller` may; for a further key of a request."""
        decision = self.authority.decide(caller, operation, key, request)
        if not decision.allowed:
            raise PermissionDeniedError(
                f"{caller.principal.subject} is not permitted to {LAW[operation].phrase} "
                f"key {key.id}",
                reason=decision.reason,
            )

    def root_for(self, spec: KeySpec, name: str | None) -> str:
        """Return the root of trust that will hold a new version; the first configured by default."""
        chosen = name or next(iter(self._roots))
        root = self._roots.get(chosen)
        if root is None:
            known = ", ".join(self._roots)
            raise BadRequestError(f"rootOfTrust must be one of {known}")
        if not root.supports(spec, Operation.CREATE):
            raise BadRequestError(f"The root of trust {chosen} does not make such keys")
        return chosen

    async def make_material(
        self, spec: KeySpec, key_id: KeyId, version: int, root: str
    ) -> PutMaterial:
        """Return new material of that root, ready to commit."""
        material = await self._roots[root].create(spec, Binding(key_id, version, spec))
        return PutMaterial(key_id, version, material)

    async def generate_pair(self, key: Key, spec: KeySpec) -> KeyPair:
        """Return a new key pair of `spec`, from the root that holds the key's current version."""
        name = key.versions[-1].root_of_trust
        root = self._roots.get(name)
        if root is None:
            raise UnavailableError(
                "This key's root of trust is not configured here",
                reason=f"add {name} to AEGIS_ROT_KIND",
            )
        return await root.generate_pair(spec)

    def importing_root(self, key: Key) -> tuple[str, RootOfTrust]:
        """Return the root of trust that takes imports into `key`: that of its newest version."""
        name = self.root_for(key.spec, key.versions[-1].root_of_trust)
        if not self._roots[name].supports(key.spec, Operation.IMPORT):
            raise BadRequestError(f"The root of trust {name} does not import such keys")
        return name, self._roots[name]

    async def destroy_material(self, key: Key) -> None:
        """Have each version's root destroy what it holds itself."""
        for version in key.versions:
            material = await self.journal.material(key.id, version.number)
            if material is not None:
                await self._roots[version.root_of_trust].destroy(material)
