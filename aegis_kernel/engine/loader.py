"""Finds the plugins that the environment names. stevedore picks one by name; pluggy asks it.

What is not named is never imported. Everything wrong stops the boot with its remedy.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, metadata
from typing import Any

import msgspec
import pluggy
from stevedore.driver import DriverManager
from stevedore.exception import MultipleMatches, NoMatches

from aegis_kernel.domain.errors import (
    BootError,
    PluginConflictError,
    PluginContractError,
    PluginLoadError,
    PluginNotFoundError,
)
from aegis_kernel.engine.faults import ANYTHING
from aegis_kernel.spi import hooks
from aegis_kernel.spi.context import PluginContext
from aegis_kernel.spi.hooks import PROJECT, SPI_VERSION, Plugin

GROUPS = (
    "aegis.root_of_trust",
    "aegis.journal",
    "aegis.audit_sink",
    "aegis.authenticator",
    "aegis.authorizer",
    "aegis.telemetry",
)

_log = logging.getLogger("aegis")


class InstalledPlugin(msgspec.Struct, frozen=True):
    """A plugin that is installed, and by which distribution."""

    group: str
    name: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution} {self.version})"


class LoadedPlugin(msgspec.Struct, frozen=True):
    """A plugin that is chosen and imported."""

    installed: InstalledPlugin
    plugin: Plugin


class _InstalledDriver(DriverManager[Any]):
    """A DriverManager that believes installed metadata, never stevedore's writable disk cache."""

    def list_entry_points(self) -> list[EntryPoint]:
        return list(entry_points(group=self.namespace))


def installed_plugins() -> tuple[InstalledPlugin, ...]:
    """Return every installed plugin of every group, in order; none of them is imported."""
    found = [_described(point) for group in GROUPS for point in entry_points(group=group)]
    return tuple(sorted(found, key=lambda plugin: (plugin.group, plugin.name)))


def load(group: str, name: str) -> LoadedPlugin:
    """Import the one plugin of `group` that is called `name`.

    Raises PluginNotFoundError, PluginConflictError, PluginLoadError or PluginContractError.
    """
    point = _find(group, name)
    installed = _described(point)
    kind = point.plugin
    if not (isinstance(kind, type) and issubclass(kind, Plugin)):
        raise PluginContractError(f"{group} plugin {installed} must be a class made from Plugin")
    spoken = getattr(kind, "spi_version", None)
    if spoken != SPI_VERSION:
        raise PluginContractError(
            f"{group} plugin {installed} speaks SPI {spoken}; this kernel speaks SPI {SPI_VERSION}: "
            f"install versions of {installed.distribution} and aegis-kms that match"
        )
    try:
        return LoadedPlugin(installed, kind())
    except ANYTHING as error:
        raise PluginLoadError(f"{group} plugin {installed} cannot be built: {error}") from error


def ask(loaded: LoadedPlugin, port: type[Any], context: PluginContext) -> Any:
    """Have the plugin build its provider, and return it once it is seen to meet `port`."""
    group, installed = loaded.installed.group, loaded.installed
    hook = group.replace(".", "_")
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hooks)
    try:
        manager.register(loaded.plugin, name=f"{group}:{installed.name}")
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginContractError(f"{group} plugin {installed}: {error}") from error
    except ANYTHING as error:
        raise PluginLoadError(f"{group} plugin {installed} cannot be built: {error!r}") from error
    answers = _call(manager, hook, context, f"{group} plugin {installed}")
    if len(answers) != 1:
        raise PluginContractError(f"{group} plugin {installed} gives no provider: write {hook}()")
    wrong = sorted(filter(None, (_wrong(port, answers[0], name) for name in _members(port))))
    if wrong:
        raise PluginContractError(f"{group} plugin {installed}: its provider {'; '.join(wrong)}")
    return answers[0]


def _call(manager: pluggy.PluginManager, hook: str, context: PluginContext, who: str) -> list[Any]:
    try:
        answers: list[Any] = getattr(manager.hook, hook)(context=context)
    except BootError:
        raise
    except ANYTHING as error:
        raise PluginLoadError(f"{who} cannot build its provider: {error}") from error
    return answers


def _members(port: type[Any]) -> set[str]:
    kinds = [kind for kind in port.__mro__ if getattr(kind, "_is_protocol", False)]
    return {name for kind in kinds for name in vars(kind) if not name.startswith("_")}


def _wrong(port: type[Any], provider: Any, name: str) -> str | None:
    """Say what is wrong with the provider's `name`: absent, or not to be called as `port` says."""
    try:
        member = getattr(provider, name)
    except AttributeError:
        return f"lacks {name}"
    except ANYTHING as error:
        return f"cannot give its {name} ({type(error).__name__})"
    called = next((vars(kind)[name] for kind in port.__mro__ if name in vars(kind)), None)
    return _wrong_call(name, called, member) if inspect.isfunction(called) else None


def _wrong_call(name: str, called: Any, member: Any) -> str | None:
    taken = [p for p in inspect.signature(called).parameters.values() if p.name != "self"]
    by_name = {p.name: None for p in taken if p.kind is p.KEYWORD_ONLY}
    try:
        inspect.signature(member).bind(*[None] * (len(taken) - len(by_name)), **by_name)
    except TypeError:  # also where it cannot be called at all
        return f"has a {name} that does not take ({', '.join(p.name for p in taken)})"
    except ValueError:
        _log.debug("%s is made in C, and cannot be looked at", name)
    return None


def _find(group: str, name: str) -> Any:
    try:
        manager = _InstalledDriver(group, name, on_missing_entrypoints_callback=_say_nothing)
    except NoMatches as error:
        raise PluginNotFoundError(_absent(group, name)) from error
    except MultipleMatches as error:
        rivals = ", ".join(
            str(_described(point)) for point in entry_points(group=group) if point.name == name
        )
        raise PluginConflictError(
            f"{group} plugin {name!r} has rival providers: {rivals}; uninstall all but one"
        ) from error
    except ANYTHING as error:
        raise PluginLoadError(
            f"{group} plugin {name!r} cannot be imported ({type(error).__name__}: {error}); "
            "repair or uninstall its distribution"
        ) from error
    extension = manager.extensions[0]
    return _Point(extension.entry_point, extension.plugin)


def _say_nothing(names: object) -> None:
    """Leave it to our own error to tell what is missing."""


class _Point(msgspec.Struct, frozen=True):
    entry_point: Any
    plugin: Any


def _described(point: Any) -> InstalledPlugin:
    entry: EntryPoint = point.entry_point if isinstance(point, _Point) else point
    if entry.dist is None:
        return InstalledPlugin(entry.group, entry.name, "unknown", "unknown")
    return InstalledPlugin(entry.group, entry.name, entry.dist.name, entry.dist.version)


def _absent(group: str, name: str) -> str:
    rivals = ", ".join(str(plugin) for plugin in installed_plugins() if plugin.group == group)
    remedy = "install the distribution that provides it"
    if name in _extras():
        remedy = f"pip install 'aegis-kms[{name}]'"
    return f"no {group} plugin named {name!r}; installed: {rivals or 'none'}; {remedy}"


def _extras() -> Mapping[str, None]:
    try:
        return dict.fromkeys(metadata("aegis-kms").get_all("Provides-Extra") or [])
    except PackageNotFoundError:
        return {}
