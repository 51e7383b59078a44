"""Port: the authorizer says who may do what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import Principal
from aegis_kernel.spi.provider import Provider


class Circumstances(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a decision may depend on beside who, what and which key.

    `at` is seconds since the Unix epoch, `source_ip` the peer's address where one is known.
    `contexts` are the encryption contexts that the request binds to: one for each item of a batch,
    two for a re-encryption, an empty one where none was given. `belongs_to` is the subject of whoever
    an agent acts for in the end, where the operation is about agents.
    """

    at: float = 0.0
    source_ip: str | None = None
    contexts: tuple[Mapping[str, str], ...] = ()
    belongs_to: str | None = None


class Decision(msgspec.Struct, frozen=True):
    """Yes or no; `reason` goes into the audit record of a refusal.

    A denial that is `final` is lifted by no grant either.
    """

    allowed: bool
    reason: str
    final: bool = False


class Authorizer(Provider, Protocol):
    """Decides synchronously and purely: same input, same answer, no I/O."""

    def decide(
        self,
        principal: Principal,
        operation: Operation,
        key: Key | None,
        circumstances: Circumstances,
    ) -> Decision:
        """Return the decision. `key` is None for operations that name none (create).

        A batch is decided once, and is to be allowed only if it is with each of its contexts.
        """
        ...

    def readable_owner(self, principal: Principal) -> str | None:
        """Return the one owner whose keys alone `principal` may get, None where nothing such is sure.

        Lists then look at that owner's keys only, and `decide` is still asked for each of them.
        """
        return None
