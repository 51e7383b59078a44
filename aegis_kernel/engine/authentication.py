"""Who asks: agents' tokens and the authenticators in order, behind one bounded cache."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import msgspec

from aegis_kernel.domain.errors import UnauthorizedError
from aegis_kernel.domain.principal import SYSTEM_SUBJECT, Principal, PrincipalKind
from aegis_kernel.engine.cache import BoundedCache
from aegis_kernel.engine.strangers import Strangers
from aegis_kernel.spi.authenticator import Authenticated, Authenticator
from aegis_kernel.spi.context import Clock

CACHE_SECONDS = 60.0
CACHE_ENTRIES = 10_000

# One text for every cause: which part of a credential is wrong is nobody's business.
REFUSED = "Missing or invalid credentials"


class _Remembered(msgspec.Struct, frozen=True, gc=False):
    principal: Principal
    until: float


class Authentication:
    """Turns headers into a principal. Failures are never cached."""

    def __init__(
        self,
        authenticators: Sequence[Authenticator],
        clock: Clock,
        strangers: Strangers,
        agent_tokens: Authenticator | None = None,
    ) -> None:
        self._chosen = authenticators
        self._agent_tokens = agent_tokens
        # Asked first: they alone make agents, and take no credential but their own.
        self._authenticators = (*([agent_tokens] if agent_tokens else ()), *authenticators)
        self._clock = clock
        self._strangers = strangers
        names = [name for each in self._authenticators for name in each.credential_headers]
        self._names = frozenset(names)
        self._cache: BoundedCache[bytes, _Remembered] = BoundedCache(CACHE_ENTRIES)

    @property
    def descriptions(self) -> tuple[str, ...]:
        return tuple(each.description for each in self._chosen)

    async def authenticate(
        self,
        headers: Sequence[tuple[bytes, bytes]],
        source_ip: str | None = None,
        request_id: str | None = None,
    ) -> Principal:
        """Return the principal of the raw `headers` (lower-case names).

        Raises UnauthorizedError, always with the same text, and UnavailableError when an
        authenticator cannot know now.
        """
        shown = [pair for pair in headers if pair[0] in self._names]
        # Only a digest is kept: a heap full of live tokens is worth stealing.
        digest = sha256(b"\n".join(name + b":" + value for name, value in shown)).digest()
        remembered = self._cache.get(digest)
        if remembered is not None and self._clock.monotonic() < remembered.until:
            return remembered.principal
        try:
            authenticated = await self._ask(dict(shown), len(shown))
        except UnauthorizedError as error:
            self._strangers.refused(source_ip, request_id, error.reason)
            raise UnauthorizedError(REFUSED) from None
        self._remember(digest, authenticated)
        return authenticated.principal

    async def _ask(self, shown: dict[bytes, bytes], count: int) -> Authenticated:
        if count != len(shown):
            raise UnauthorizedError(REFUSED, reason="a credential header came twice")
        for authenticator in self._authenticators:
            mine = {name: shown[name] for name in authenticator.credential_headers if name in shown}
            authenticated = await authenticator.authenticate(mine)
            if authenticated is not None:
                return _checked(authenticated, authenticator is self._agent_tokens)
        reason = "a credential that nobody here takes" if shown else "no credential"
        raise UnauthorizedError(REFUSED, reason=reason)

    def _remember(self, digest: bytes, authenticated: Authenticated) -> None:
        seconds = min(CACHE_SECONDS, authenticated.valid_until - self._clock.time())
        if seconds > 0:
            until = self._clock.monotonic() + seconds
            self._cache.put(digest, _Remembered(authenticated.principal, until))


def _checked(authenticated: Authenticated, is_agent_token: bool) -> Authenticated:
    principal = authenticated.principal
    if principal.subject == SYSTEM_SUBJECT:
        raise UnauthorizedError(REFUSED, reason="the subject is reserved")
    if (principal.kind is PrincipalKind.AGENT) is not is_agent_token:
        raise UnauthorizedError(REFUSED, reason="agents are known by their own tokens alone")
    return authenticated
