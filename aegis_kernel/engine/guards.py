"""What stands between the kernel and a plugin that decides: an answer of the right type, or no."""

from __future__ import annotations

import asyncio

from aegis_kernel.domain.errors import UnauthorizedError, UnavailableError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import Principal
from aegis_kernel.engine.faults import ANYTHING, Faults, PluginFaultError, contained
from aegis_kernel.engine.providers import Providers
from aegis_kernel.spi.authenticator import Authenticated, Authenticator, Headers
from aegis_kernel.spi.authorizer import Authorizer, Circumstances, Decision

AUTHENTICATE_SECONDS = 5.0

_BROKEN = Decision(allowed=False, reason="the authorizer failed", final=True)


def guarded_authorizer(providers: Providers, faults: Faults) -> Authorizer:
    """Return the chosen authorizer, guarded."""
    (kind,) = (each.kind for each in providers.components if each.port == "authorizer")
    return GuardedAuthorizer(kind, providers.authorizer, faults)


def guarded_authenticators(providers: Providers, faults: Faults) -> tuple[Authenticator, ...]:
    """Return the chosen authenticators in their order, guarded."""
    chosen = providers.authenticators.items()
    return tuple(GuardedAuthenticator(kind, each, faults) for kind, each in chosen)


class _Guard:
    """What is guarded is opened and closed by the kernel itself."""

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...


class GuardedAuthorizer(_Guard, Authorizer):
    """Denies whatever the authorizer does not allow in so many words."""

    def __init__(self, kind: str, authorizer: Authorizer, faults: Faults) -> None:
        self._kind = kind
        self._decide = authorizer.decide
        self._readable_owner = authorizer.readable_owner
        self._faults = faults

    def decide(
        self,
        principal: Principal,
        operation: Operation,
        key: Key | None,
        circumstances: Circumstances,
    ) -> Decision:
        """Return the authorizer's decision. Raises UnavailableError only if the authorizer does."""
        try:
            decision = self._decide(principal, operation, key, circumstances)
        except UnavailableError:
            raise
        except ANYTHING as error:
            self._faults.note("authorizer", self._kind, error)
            return _BROKEN
        if type(decision) is Decision and type(decision.allowed) is bool:
            return decision
        self._faults.note("authorizer", self._kind, PluginFaultError("no Decision"))
        return _BROKEN

    def readable_owner(self, principal: Principal) -> str | None:
        """Return what the authorizer says; None, which bounds nothing, where it says nothing sound."""
        try:
            owner = self._readable_owner(principal)
        except ANYTHING as error:
            self._faults.note("authorizer", self._kind, error)
            return None
        if owner is None or type(owner) is str:
            return owner
        self._faults.note("authorizer", self._kind, PluginFaultError("no owner"))
        return None


class GuardedAuthenticator(_Guard, Authenticator):
    """Lets nobody in whom the authenticator does not name; what it cannot say now is a 503."""

    def __init__(self, kind: str, authenticator: Authenticator, faults: Faults) -> None:
        self._kind = kind
        self._authenticator = authenticator
        self._faults = faults
        self._credential_headers = authenticator.credential_headers

    @property
    def credential_headers(self) -> tuple[bytes, ...]:
        return self._credential_headers

    @property
    def description(self) -> str:
        return self._authenticator.description

    async def authenticate(self, headers: Headers) -> Authenticated | None:
        """Return the authenticator's answer. Raises UnauthorizedError, or UnavailableError."""
        try:
            async with asyncio.timeout(AUTHENTICATE_SECONDS):
                answer = await contained(self._authenticator.authenticate, headers)
            if answer is not None:
                _require(answer, Authenticated)
                _require(answer.principal, Principal)
                _require(answer.valid_until + 0.0, float)
        except (UnauthorizedError, UnavailableError):
            raise
        except ANYTHING as error:
            self._faults.note("authenticator", self._kind, error)
            raise UnavailableError(
                "Credentials cannot be checked now; try again in a moment"
            ) from None
        return answer


def _require(answer: object, kind: type) -> None:
    if type(answer) is not kind:
        raise PluginFaultError(f"no {kind.__name__}")
