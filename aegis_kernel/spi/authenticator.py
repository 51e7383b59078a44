"""Port: an authenticator turns headers into a principal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import msgspec

from aegis_kernel.domain.principal import Principal
from aegis_kernel.spi.provider import Provider

# Lower-case header names, as ASGI gives them; values are stripped of nothing.
Headers = Mapping[bytes, bytes]


class Authenticated(msgspec.Struct, frozen=True):
    """Who it is, and until when (seconds since the Unix epoch) the credential holds."""

    principal: Principal
    valid_until: float


class Authenticator(Provider, Protocol):
    """Asked in the order of AEGIS_AUTH_KIND. Its answers are cached by the kernel, at most 60 s."""

    @property
    def credential_headers(self) -> tuple[bytes, ...]:
        """The lower-case names of the headers that the answer depends on; it is shown no others.

        A request that has one of them twice never reaches the authenticator: it is refused.
        """
        ...

    @property
    def description(self) -> str:
        """How boot names it: "JWT bearer tokens (HS256)"."""
        ...

    async def authenticate(self, headers: Headers) -> Authenticated | None:
        """Return the caller, or None for "not mine, ask the next".

        Raises UnauthorizedError for "mine and bad"; the caller is told nothing of why. Raises
        UnavailableError when the answer cannot be known now.
        """
        ...


@runtime_checkable
class TokenIssuer(Protocol):
    """Optional, beside Authenticator: lets `aegis-server token mint` issue a token."""

    def issue_token(
        self, subject: str, groups: frozenset[str], kind: str, ttl_seconds: float
    ) -> str:
        """Return a token that this authenticator accepts. Raises ValueError with the remedy."""
        ...
