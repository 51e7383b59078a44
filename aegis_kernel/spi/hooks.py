"""Hook specifications, one per group of entry points.

A hook is called once, at boot, to build one provider. It does no I/O and returns a typed provider;
from then on the kernel calls the provider's port directly. The class that an entry point names
derives from `Plugin`; its instances carry the hook.
"""

from __future__ import annotations

from typing import ClassVar

import pluggy

from aegis_kernel.spi.audit_sink import AuditSink
from aegis_kernel.spi.authenticator import Authenticator
from aegis_kernel.spi.authorizer import Authorizer
from aegis_kernel.spi.context import PluginContext
from aegis_kernel.spi.journal import Journal
from aegis_kernel.spi.root_of_trust import RootOfTrust
from aegis_kernel.spi.settings import SettingsSection
from aegis_kernel.spi.telemetry import Telemetry

PROJECT = "aegis"
SPI_VERSION = 1

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class NoSettings(SettingsSection, frozen=True):
    """The section of a plugin that has nothing to set."""

    prefix = ""


class Plugin:
    """Base of every plugin class. Built without arguments; does nothing but answer its hook."""

    #: The SPI version that the plugin was written for: a literal, so that an old plugin is told apart.
    spi_version: ClassVar[int]
    settings: ClassVar[type[SettingsSection]] = NoSettings
    #: The variable that tells the plugin's library of a directory that all workers of a server have
    #: in common: empty at boot, private, set before the plugin is imported. "" if it needs none.
    workers_directory: ClassVar[str] = ""


@hookspec
def aegis_root_of_trust(context: PluginContext) -> RootOfTrust:  # type: ignore[empty-body]
    """Return the root of trust. Group `aegis.root_of_trust`, chosen by AEGIS_ROT_KIND."""


@hookspec
def aegis_journal(context: PluginContext) -> Journal:  # type: ignore[empty-body]
    """Return the journal. Group `aegis.journal`, chosen by AEGIS_JOURNAL_KIND."""


@hookspec
def aegis_audit_sink(context: PluginContext) -> AuditSink:  # type: ignore[empty-body]
    """Return the audit sink. Group `aegis.audit_sink`, chosen by AEGIS_AUDIT_SINKS."""


@hookspec
def aegis_authenticator(context: PluginContext) -> Authenticator:  # type: ignore[empty-body]
    """Return the authenticator. Group `aegis.authenticator`, chosen by AEGIS_AUTH_KIND."""


@hookspec
def aegis_authorizer(context: PluginContext) -> Authorizer:  # type: ignore[empty-body]
    """Return the authorizer. Group `aegis.authorizer`, chosen by AEGIS_AUTHZ_KIND."""


@hookspec
def aegis_telemetry(context: PluginContext) -> Telemetry:  # type: ignore[empty-body]
    """Return the telemetry. Group `aegis.telemetry`, chosen by AEGIS_TELEMETRY."""
