"""The journal on PostgreSQL: for many workers on many hosts."""

from __future__ import annotations

from typing import Annotated, ClassVar

import aegis_kernel
from aegis_journal_postgres.address import Address
from aegis_journal_postgres.journal import PostgresJournal
from aegis_kernel import Env, Journal, PluginContext, Secret, SettingsSection, hookimpl

__all__ = ["Plugin", "PostgresJournal", "PostgresJournalSettings"]


class PostgresJournalSettings(SettingsSection, frozen=True, kw_only=True):
    """`url` may hold a password, so it is a Secret; without it libpq's own PG* variables count."""

    prefix: ClassVar[str] = "AEGIS_JOURNAL_POSTGRES"

    url: Secret | None = None
    password: Annotated[Secret | None, Env("POSTGRES_PASSWORD")] = None
    readers: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.readers <= 64:
            raise ValueError("AEGIS_JOURNAL_POSTGRES_READERS must be from 1 to 64")
        Address.of(self.url, self.password)


class Plugin(aegis_kernel.Plugin):
    spi_version = 1
    settings = PostgresJournalSettings

    @hookimpl
    def aegis_journal(self, context: PluginContext) -> Journal:
        settings = context.section(PostgresJournalSettings)
        address = Address.of(settings.url, settings.password)
        return PostgresJournal(address, context.clock, settings.readers)
