"""Authorizer: admins may all, a key's owner may all on it, everyone may create, list and draw random bytes."""

from __future__ import annotations

import aegis_kernel
from aegis_kernel import (
    Authorizer,
    Circumstances,
    Decision,
    Key,
    Operation,
    PluginContext,
    Principal,
    PrincipalKind,
    hookimpl,
)

__all__ = ["BasicAuthorizer", "Plugin"]

ADMINS = "admins"

# A list shows only keys that the caller may GET: the kernel asks for each of them.
OPEN_TO_ALL = frozenset(
    {Operation.CREATE, Operation.LIST, Operation.LIST_ALIASES, Operation.RANDOM}
)

# The kernel decides what an agent may beside; here it is whose agents somebody has to do with.
ABOUT_AGENTS = frozenset(
    {
        Operation.ISSUE_AGENT,
        Operation.GET_AGENT,
        Operation.LIST_AGENTS,
        Operation.REVOKE_AGENT,
        Operation.REVOKE_AGENTS,
    }
)

ADMIN = Decision(True, "admin")
OPEN = Decision(True, "open to every principal")
OWNER = Decision(True, "the key's owner")
OWN_AGENTS = Decision(True, "agents of its own")
UNAUTHENTICATED = Decision(False, "not authenticated", final=True)
NOT_ADMIN = Decision(False, "not an admin")
NOT_ITS_AGENTS = Decision(False, "not an admin, and agents of another")
NOT_OWNER = Decision(False, "not an admin and not the key's owner")


class Plugin(aegis_kernel.Plugin):
    """Entry point `basic` of group `aegis.authorizer`."""

    spi_version = 1

    @hookimpl
    def aegis_authorizer(self, context: PluginContext) -> Authorizer:
        return BasicAuthorizer()


class BasicAuthorizer(Authorizer):
    """Fixed rules, no state. Subjects and groups are compared character by character."""

    async def open(self) -> None:
        """Nothing to open."""

    async def aclose(self) -> None:
        """Nothing is held."""

    def decide(
        self,
        principal: Principal,
        operation: Operation,
        key: Key | None,
        circumstances: Circumstances,
    ) -> Decision:
        # An agent's rights are those of the principal that it acts for, who is asked about instead.
        if principal.kind not in (PrincipalKind.HUMAN, PrincipalKind.SERVICE):
            return UNAUTHENTICATED
        if ADMINS in principal.groups:
            return ADMIN
        if operation in OPEN_TO_ALL:
            return OPEN
        is_about_agents = operation in ABOUT_AGENTS
        if is_about_agents and circumstances.belongs_to == principal.subject:
            return OWN_AGENTS
        if key is None:
            return NOT_ITS_AGENTS if is_about_agents else NOT_ADMIN
        return OWNER if key.owner == principal.subject else NOT_OWNER

    def readable_owner(self, principal: Principal) -> str | None:
        return None if ADMINS in principal.groups else principal.subject
