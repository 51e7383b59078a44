"""Optional ports, beside Authorizer: an authorizer that decides by policies which can be exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import Principal
from aegis_kernel.spi.authorizer import Circumstances, Decision


@runtime_checkable
class PolicyKeeper(Protocol):
    """Optional, beside Authorizer: lets the kernel see to it that no superseded policy decides.

    Policies that lie elsewhere, as in a file, never decide by themselves: the kernel first makes
    their digest the active one in the journal, and then has them adopted.
    """

    @property
    def digest(self) -> str:
        """Names the policies that decide now: other policies, another digest. At most 128 ASCII characters."""
        ...

    async def look_again(self, *, at_once: bool = False) -> str | None:
        """Return the digest of good policies that wait to be adopted, None where there are none.

        Cheap where nothing has changed. Without `at_once`, what may still be being written is left
        for the next look. Bad policies change nothing: `check` says what is wrong.
        """
        ...

    def adopt(self) -> None:
        """Let the policies that `look_again` found decide, from the next question on."""
        ...


class Foreseen(msgspec.Struct, frozen=True):
    """What policies would decide; None where that depends on what is not known, named by `lacks`."""

    decision: Decision | None
    lacks: str | None = None


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question of the past. What is None there is not known: groups, or encryption contexts."""

    principal: Principal
    operation: Operation
    key: Key | None
    circumstances: Circumstances
    knows_groups: bool = True
    knows_contexts: bool = True


class PolicyNote(msgspec.Struct, frozen=True):
    """What decisions call a policy, its effect ("permit" or "forbid"), and where it stands."""

    name: str
    effect: str
    place: str


class PolicySet(Protocol):
    """Good policies, read but not deciding."""

    @property
    def digest(self) -> str: ...

    @property
    def notes(self) -> Sequence[PolicyNote]: ...

    @property
    def warnings(self) -> Sequence[str]:
        """What is allowed, and may not be meant: one line each."""
        ...

    def foresee(self, question: Question) -> Foreseen:
        """Return what they would decide."""
        ...


@runtime_checkable
class PolicyReader(Protocol):
    """Optional, beside Authorizer: carries `aegis-server policy check` and `policy replay`."""

    async def read(self, path: Path | None) -> PolicySet:
        """Read the policies at `path`, by default the configured ones; they do not decide.

        Raises BootError with one line for each mistake.
        """
        ...
