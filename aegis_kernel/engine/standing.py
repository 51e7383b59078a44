"""On whose behalf a caller acts, as far as streams say so."""

from __future__ import annotations

import math

import msgspec

from aegis_kernel.domain.agent import Agent
from aegis_kernel.domain.principal import Principal


class Standing(msgspec.Struct, frozen=True, gc=False):
    """Whose rights a request is decided on, and which streams must stay where they are for it.

    `expects` holds those streams and the sequences at which they said so: the release fence covers
    them as it covers the key. `chain` is the agent that asks, then the agents above it, nearest
    first. `void` says why the credential of an agent is worth nothing; `until` (seconds since the
    Unix epoch) is when the first of the chain ends.
    """

    principal: Principal
    expects: tuple[tuple[str, int], ...] = ()
    chain: tuple[Agent, ...] = ()
    void: str | None = None
    until: float = math.inf

    def ended(self, now: float) -> str | None:
        """Return why it gives no right at `now`, or None where it does."""
        if self.void is not None:
            return self.void
        return "agent expired" if now >= self.until else None
