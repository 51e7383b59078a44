"""Authenticator: JWT bearer tokens of OpenID Connect issuers (RS256, ES256, EdDSA)."""

from __future__ import annotations

import aegis_kernel
from aegis_auth_oidc.authenticator import OidcAuthenticator
from aegis_auth_oidc.rules import IssuerRules
from aegis_auth_oidc.settings import OidcSettings
from aegis_kernel import Authenticator, PluginContext, hookimpl

__all__ = ["IssuerRules", "OidcAuthenticator", "OidcSettings", "Plugin"]


class Plugin(aegis_kernel.Plugin):
    """Entry point `oidc` of group `aegis.authenticator`."""

    spi_version = 1
    settings = OidcSettings

    @hookimpl
    def aegis_authenticator(self, context: PluginContext) -> Authenticator:
        settings = context.section(OidcSettings)
        return OidcAuthenticator(settings, context.clock, context.executor)
