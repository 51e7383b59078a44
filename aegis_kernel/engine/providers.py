"""The providers of all ports: asked of their plugins, opened in order, closed in reverse."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from aegis_kernel.engine.executor import BoundedExecutor
from aegis_kernel.engine.health import Component
from aegis_kernel.engine.loader import ask
from aegis_kernel.engine.settings import ChosenPlugin, Settings
from aegis_kernel.spi.audit_sink import AuditSink
from aegis_kernel.spi.authenticator import Authenticator
from aegis_kernel.spi.authorizer import Authorizer
from aegis_kernel.spi.context import Clock, Executor, PluginContext
from aegis_kernel.spi.journal import Journal
from aegis_kernel.spi.root_of_trust import RootOfTrust
from aegis_kernel.spi.telemetry import Telemetry

# In the order in which they are opened.
PORTS: Mapping[str, type[Any]] = MappingProxyType(
    {
        "aegis.journal": Journal,
        "aegis.root_of_trust": RootOfTrust,
        "aegis.authorizer": Authorizer,
        "aegis.authenticator": Authenticator,
        "aegis.audit_sink": AuditSink,
        "aegis.telemetry": Telemetry,
    }
)


class Providers(msgspec.Struct, frozen=True):
    """One provider per port, or several by name, in the order of the environment."""

    journal: Journal
    roots: Mapping[str, RootOfTrust]
    authorizer: Authorizer
    authenticators: Mapping[str, Authenticator]
    sinks: Mapping[str, AuditSink]
    telemetries: Mapping[str, Telemetry]
    components: tuple[Component, ...]


def ask_all(settings: Settings, clock: Clock, executor: Executor) -> Providers:
    """Have every chosen plugin build its provider; nothing is opened yet."""
    asked = {
        group: {
            chosen.loaded.installed.name: ask(
                chosen.loaded, port, _context(settings, chosen, clock, executor)
            )
            for chosen in settings.chosen(group)
        }
        for group, port in PORTS.items()
    }
    return Providers(
        journal=_only(asked["aegis.journal"]),
        roots=asked["aegis.root_of_trust"],
        authorizer=_only(asked["aegis.authorizer"]),
        authenticators=asked["aegis.authenticator"],
        sinks=asked["aegis.audit_sink"],
        telemetries=asked["aegis.telemetry"],
        components=tuple(
            Component(group.removeprefix("aegis."), name, provider)
            for group, providers in asked.items()
            for name, provider in providers.items()
        ),
    )


def journal_is_shared(settings: Settings, clock: Clock) -> bool:
    """Return whether several processes may have the journal open at once; nothing is opened."""
    (chosen,) = settings.chosen("aegis.journal")
    executor = BoundedExecutor(1, 1)
    try:
        context = _context(settings, chosen, clock, executor)
        return bool(ask(chosen.loaded, Journal, context).shared)
    finally:
        executor.close()


def _context(
    settings: Settings, chosen: ChosenPlugin, clock: Clock, executor: Executor
) -> PluginContext:
    return PluginContext(
        settings=chosen.section,
        clock=clock,
        executor=executor,
        data_dir=settings.data_dir,
        dev_mode=settings.dev_mode,
    )


def _only(providers: Mapping[str, Any]) -> Any:
    (provider,) = providers.values()
    return provider
