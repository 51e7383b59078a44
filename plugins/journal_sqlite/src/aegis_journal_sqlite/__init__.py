"""The journal in one SQLite file: the default, for a server on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import aegis_kernel
from aegis_journal_sqlite.journal import SqliteJournal
from aegis_kernel import Journal, PluginContext, SettingsSection, hookimpl

__all__ = ["Plugin", "SqliteJournal", "SqliteJournalSettings"]


class SqliteJournalSettings(SettingsSection, frozen=True, kw_only=True):
    """`file` is the database; without it, `aegis.db` in the kernel's data directory."""

    prefix: ClassVar[str] = "AEGIS_JOURNAL_SQLITE"

    file: Path | None = None


class Plugin(aegis_kernel.Plugin):
    spi_version = 1
    settings = SqliteJournalSettings

    @hookimpl
    def aegis_journal(self, context: PluginContext) -> Journal:
        settings = context.section(SqliteJournalSettings)
        return SqliteJournal(settings.file or context.data_dir / "aegis.db", context.clock)
