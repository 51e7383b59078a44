"""Authenticator for development: whoever writes a name into X-Aegis-User is that admin."""

from __future__ import annotations

import logging

import aegis_kernel
from aegis_kernel import (
    Authenticated,
    Authenticator,
    Clock,
    Headers,
    PluginContext,
    Principal,
    PrincipalKind,
    UnauthorizedError,
    hookimpl,
    is_subject,
)

__all__ = ["DevAuthenticator", "Plugin"]

HEADER = b"x-aegis-user"
ADMINS = frozenset({"admins"})
INVALID = "X-Aegis-User must be 1 to 256 visible ASCII characters"
VALID_SECONDS = 24 * 3600.0


class Plugin(aegis_kernel.Plugin):
    """Entry point `dev` of group `aegis.authenticator`."""

    spi_version = 1

    @hookimpl
    def aegis_authenticator(self, context: PluginContext) -> Authenticator:
        return DevAuthenticator(context.clock)


class DevAuthenticator(Authenticator):
    """Believes the header. Every caller is a Human in group `admins`; there is no anonymous one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @property
    def credential_headers(self) -> tuple[bytes, ...]:
        return (HEADER,)

    @property
    def description(self) -> str:
        return "dev mode (X-Aegis-User header)"

    async def open(self) -> None:
        """Warn, at every boot, of what this mode means."""
        logging.getLogger(__name__).warning(
            "dev mode believes X-Aegis-User: whoever reaches this port is an admin; "
            "set AEGIS_AUTH_KIND=hmac anywhere but on your own machine"
        )

    async def aclose(self) -> None:
        """Nothing is held."""

    async def authenticate(self, headers: Headers) -> Authenticated | None:
        value = headers.get(HEADER)
        if value is None:
            return None
        # latin-1 decodes every byte; what is not visible ASCII is then refused as one rule.
        subject = value.decode("latin-1")
        if not is_subject(subject):
            raise UnauthorizedError(INVALID, reason="X-Aegis-User is not a subject")
        principal = Principal(subject=subject, kind=PrincipalKind.HUMAN, groups=ADMINS)
        return Authenticated(principal, self._clock.time() + VALID_SECONDS)
