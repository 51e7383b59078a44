"""Authorizer: policies in the Cedar language decide, read from a file and checked against a schema."""

from __future__ import annotations

import aegis_kernel
from aegis_authz_cedar.authorizer import CedarAuthorizer
from aegis_authz_cedar.schema import schema_text
from aegis_authz_cedar.settings import CedarSettings
from aegis_authz_cedar.source import EXAMPLE
from aegis_kernel import Authorizer, PluginContext, hookimpl

__all__ = ["EXAMPLE", "CedarAuthorizer", "CedarSettings", "Plugin", "schema_text"]


class Plugin(aegis_kernel.Plugin):
    """Entry point `cedar` of group `aegis.authorizer`."""

    spi_version = 1
    settings = CedarSettings

    @hookimpl
    def aegis_authorizer(self, context: PluginContext) -> Authorizer:
        return CedarAuthorizer(context.section(CedarSettings), context.executor)
