"""Root of trust in software: keys wrapped under a master key, opened in this process's memory."""

from __future__ import annotations

import aegis_kernel
from aegis_kernel import PluginContext, RootOfTrust, hookimpl
from aegis_rot_inmemory.root import InMemoryRootOfTrust
from aegis_rot_inmemory.settings import InMemorySettings

__all__ = ["InMemoryRootOfTrust", "InMemorySettings", "Plugin"]


class Plugin(aegis_kernel.Plugin):
    """Entry point `inmemory` of group `aegis.root_of_trust`."""

    spi_version = 1
    settings = InMemorySettings

    @hookimpl
    def aegis_root_of_trust(self, context: PluginContext) -> RootOfTrust:
        return InMemoryRootOfTrust(context)
