"""The provider: the set that decides, the one that waits, and what is wrong with the file."""

from __future__ import annotations

import logging
from pathlib import Path

from aegis_authz_cedar.decider import Decider
from aegis_authz_cedar.foresight import ReadPolicies
from aegis_authz_cedar.owners import readable_owner
from aegis_authz_cedar.policies import Policies, load
from aegis_authz_cedar.settings import CedarSettings
from aegis_authz_cedar.source import EXAMPLE, Signature, read_source, signature
from aegis_kernel import (
    HEALTHY,
    Authorizer,
    BootError,
    Circumstances,
    Decision,
    Executor,
    Health,
    Key,
    Operation,
    Principal,
    Status,
)

_log = logging.getLogger("aegis.authorizer.cedar")

_CLOSED = Decision(False, "no policies are loaded", final=True)


class CedarAuthorizer(Authorizer):
    """Decides by the last good set that was adopted; reads and checks the next beside it."""

    def __init__(self, settings: CedarSettings, executor: Executor) -> None:
        self._path = settings.policy_file
        self._capacity = settings.cache_decisions
        self._executor = executor
        self._decider: Decider | None = None
        self._next: Policies | None = None
        self._read: Signature = ()
        self._looked: Signature = ()
        self._wrong: str | None = None

    async def open(self) -> None:
        path = self._required_path()
        # Looked at before it is read: a change in between is seen at the next look.
        self._read = self._looked = await self._executor.run(_signature, path)
        policies = await self._executor.run(_load, path)
        self._decider = Decider(policies, self._capacity)
        for warning in policies.warnings:
            _log.warning("%s", warning)

    async def aclose(self) -> None:
        """Nothing is held."""

    async def check(self) -> Health:
        if self._wrong is None:
            return HEALTHY
        return Health(Status.DEGRADED, f"the last good policies decide: {self._wrong}")

    def decide(
        self,
        principal: Principal,
        operation: Operation,
        key: Key | None,
        circumstances: Circumstances,
    ) -> Decision:
        if self._decider is None:
            return _CLOSED
        return self._decider.decide(principal, operation, key, circumstances)

    def readable_owner(self, principal: Principal) -> str | None:
        if self._decider is None:
            return None
        return readable_owner(self._decider.policies.reaches, principal)

    @property
    def digest(self) -> str:
        """The digest of the set that decides."""
        return "" if self._decider is None else self._decider.policies.digest

    async def look_again(self, *, at_once: bool = False) -> str | None:
        """Return the digest of a good set that is not the one deciding, once the files are at rest.

        What is wrong with them is said once, and by `check` for as long as they are so. `at_once`
        does not wait until two looks in a row have seen the same.
        """
        seen = await self._executor.run(_signature, self._required_path())
        is_at_rest, self._looked = at_once or seen == self._looked, seen
        if seen != self._read and is_at_rest:
            self._read = seen
            await self._consider()
        return self._next.digest if self._next is not None else None

    def adopt(self) -> None:
        """Decide by what `look_again` has found, from now on."""
        if self._next is not None:
            self._decider, self._next = Decider(self._next, self._capacity), None

    async def read(self, path: Path | None) -> ReadPolicies:
        """Return the policies at `path`, by default the configured ones; they do not decide."""
        return ReadPolicies(await self._executor.run(_load, path or self._required_path()))

    async def _consider(self) -> None:
        self._next = None
        try:
            policies = await self._executor.run(_load, self._required_path())
        except BootError as error:
            self._wrong = str(error).splitlines()[0]
            _log.error("the last good policies decide: %s", error)
            return
        self._wrong = None
        if policies.digest != self.digest:
            self._next = policies

    def _required_path(self) -> Path:
        if self._path is None:
            raise BootError(
                "AEGIS_AUTHZ_CEDAR_POLICY_FILE must be set: a file, or a folder of *.cedar files; "
                f"an example is {EXAMPLE}"
            )
        return self._path


def _load(path: Path) -> Policies:
    return load(read_source(path))


def _signature(path: Path) -> Signature:
    """Return what changes with the files; nothing where they cannot be looked at."""
    try:
        return signature(path)
    except OSError:
        return ()
