"""Authenticator: JWT bearer tokens, signed with a shared secret (HS256)."""

from __future__ import annotations

import aegis_kernel
from aegis_auth_hmac.authenticator import HmacAuthenticator
from aegis_auth_hmac.issuer import JwtIssuer
from aegis_auth_hmac.settings import HmacSettings
from aegis_kernel import Authenticator, PluginContext, hookimpl

__all__ = ["HmacAuthenticator", "HmacSettings", "JwtIssuer", "Plugin"]


class Plugin(aegis_kernel.Plugin):
    """Entry point `hmac` of group `aegis.authenticator`."""

    spi_version = 1
    settings = HmacSettings

    @hookimpl
    def aegis_authenticator(self, context: PluginContext) -> Authenticator:
        return HmacAuthenticator(context.section(HmacSettings), context.clock)
