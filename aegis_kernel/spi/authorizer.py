"""Port: the authorizer says who may do what."""

from __future__ import annotations

from typing import Protocol

import msgspec

from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import Principal
from aegis_kernel.spi.provider import Provider


class Decision(msgspec.Struct, frozen=True):
    """Yes or no; `reason` goes into the audit record of a refusal."""

    allowed: bool
    reason: str


class Authorizer(Provider, Protocol):
    """Decides synchronously and purely: same input, same answer, no I/O."""

    def decide(
        self, principal: Principal, operation: Operation, key: Key | None, request: object
    ) -> Decision:
        """Return the decision. `key` is None for operations that name none (create).

        A batch is decided once: its `request` has `items`, the requests that it holds, and is to be
        allowed only if each of them is.
        """
        ...

    def readable_owner(self, principal: Principal) -> str | None:
        """Return the one owner whose keys alone `principal` may get, None where nothing such is sure.

        Lists then look at that owner's keys only, and `decide` is still asked for each of them.
        """
        return None
