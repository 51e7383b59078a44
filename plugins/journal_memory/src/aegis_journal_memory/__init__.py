"""The journal in memory: for tests and throw-away servers."""

from __future__ import annotations

import aegis_kernel
from aegis_journal_memory.journal import MemoryJournal
from aegis_kernel import Journal, PluginContext, hookimpl

__all__ = ["MemoryJournal", "Plugin"]


class Plugin(aegis_kernel.Plugin):
    spi_version = 1

    @hookimpl
    def aegis_journal(self, context: PluginContext) -> Journal:
        return MemoryJournal(context.clock)
