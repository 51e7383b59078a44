"""All settings, read once from the environment, every mistake reported at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import msgspec

from aegis_kernel.domain.errors import BootError, SettingsError
from aegis_kernel.engine.loader import LoadedPlugin, load
from aegis_kernel.spi.settings import Section, SettingsSection, read_section, variables_of

NONE = ("none",)

_RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "http_port": (0, 65_535),
        "workers": (1, 64),
        "destroy_days": (7, 365),
        "drain_seconds": (0, 300),
        "sweep_seconds": (0.05, 3_600),
        "usage_seconds": (0.05, 3_600),
        "open_seconds": (0.05, 3_600),
        "rate_limit_requests": (0, 1_000_000),
        "rate_limit_heavy": (0, 1_000_000),
        "rate_limit_making": (0, 1_000_000),
        "rate_limit_burst_seconds": (1, 60),
    }
)


class Selection(SettingsSection, frozen=True):
    """Which plugins serve which port, by entry-point name."""

    prefix: ClassVar[str] = "AEGIS"

    rot_kind: tuple[str, ...] = ("inmemory",)
    journal_kind: str = "sqlite"
    audit_sinks: tuple[str, ...] = ("stdout",)
    auth_kind: tuple[str, ...] = ("dev",)
    authz_kind: str = "basic"
    telemetry: tuple[str, ...] = ("prometheus", "otel")

    @property
    def dev_mode(self) -> bool:
        return self.auth_kind == ("dev",)

    def __post_init__(self) -> None:
        _raise_together(self._mistakes())

    def named(self) -> tuple[tuple[str, str], ...]:
        """Return (group, name) of every plugin to load; `none` stands for an empty list."""
        sinks = () if self.audit_sinks == NONE else self.audit_sinks
        telemetry = () if self.telemetry == NONE else self.telemetry
        return (
            ("aegis.journal", self.journal_kind),
            *(("aegis.root_of_trust", name) for name in self.rot_kind),
            *(("aegis.audit_sink", name) for name in sinks),
            *(("aegis.authenticator", name) for name in self.auth_kind),
            ("aegis.authorizer", self.authz_kind),
            *(("aegis.telemetry", name) for name in telemetry),
        )

    def _mistakes(self) -> Iterator[str]:
        for field in ("rot_kind", "audit_sinks", "auth_kind", "telemetry"):
            variable, names = f"AEGIS_{field.upper()}", getattr(self, field)
            if not names:
                yield f"{variable} names no plugin"
            if len(set(names)) != len(names):
                yield f"{variable} names a plugin twice; name each once"
            if set(NONE) < set(names):
                yield f"{variable}: none stands alone, or not at all"
        if "dev" in self.auth_kind and not self.dev_mode:
            yield (
                "AEGIS_AUTH_KIND: dev lets anyone be anyone, so it stands alone; "
                "leave it out beside a real authenticator"
            )


class KernelSettings(SettingsSection, frozen=True):
    """What the kernel itself can be told. Sizes in entries, times in seconds unless named days."""

    prefix: ClassVar[str] = "AEGIS"

    http_host: str = "127.0.0.1"
    http_port: int = 8080
    workers: int = 1
    data_dir: Path | None = None
    auth_dev_allow_remote: bool = False
    drain_seconds: float = 2.0
    destroy_days: int = 30
    sweep_seconds: float = 30.0
    usage_seconds: float = 60.0
    cache_keys: int = 50_000
    cache_opened_keys: int = 10_000
    audit_backlog: int = 100_000
    open_seconds: float = 60.0
    rate_limit_requests: int = 5_000
    rate_limit_heavy: int = 1_000
    rate_limit_making: int = 200
    rate_limit_burst_seconds: float = 10.0

    def __post_init__(self) -> None:
        _raise_together(self._mistakes())

    @property
    def is_loopback(self) -> bool:
        """Whether the server can be reached from this machine alone."""
        if self.http_host == "localhost":
            return True
        try:
            return ip_address(self.http_host).is_loopback
        except ValueError:
            return False

    def _mistakes(self) -> Iterator[str]:
        for field, (least, most) in _RANGES.items():
            if not least <= getattr(self, field) <= most:
                yield f"AEGIS_{field.upper()} must be {least:g} to {most:g}"
        for field in ("cache_keys", "cache_opened_keys", "audit_backlog"):
            if getattr(self, field) < 1:
                yield f"AEGIS_{field.upper()} must be 1 or more"


class ChosenPlugin(msgspec.Struct, frozen=True):
    """A loaded plugin with its settings. A `required` sink stops the service when it falls behind."""

    loaded: LoadedPlugin
    section: SettingsSection
    required: bool = False


class Settings(msgspec.Struct, frozen=True):
    """Everything the kernel is built from. Secrets in it print redacted."""

    kernel: KernelSettings
    data_dir: Path
    dev_mode: bool
    plugins: tuple[ChosenPlugin, ...]
    unknown_variables: tuple[str, ...]

    @staticmethod
    def from_env(environment: Mapping[str, str]) -> Settings:
        """Read everything, and import the chosen plugins. Raises BootError with every mistake."""
        return _Reader(environment).read()

    def chosen(self, group: str) -> tuple[ChosenPlugin, ...]:
        return tuple(c for c in self.plugins if c.loaded.installed.group == group)


class _Reader:
    """Reads everything once; collects mistakes instead of stopping at the first."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._mistakes: list[BootError] = []
        self._known: set[str] = set()

    def read(self) -> Settings:
        selection = self._section(Selection)
        kernel = self._section(KernelSettings)
        if selection is not None and kernel is not None:
            self._refuse_remote_dev(selection, kernel)
        named = selection.named() if selection is not None else ()
        plugins = [self._choose(group, name) for group, name in named]
        if self._mistakes or selection is None or kernel is None:
            raise _together(self._mistakes)
        return Settings(
            kernel=kernel,
            data_dir=kernel.data_dir or self._user_data_dir(),
            dev_mode=selection.dev_mode,
            plugins=tuple(plugin for plugin in plugins if plugin is not None),
            unknown_variables=self._unknown(),
        )

    def _section(self, section: type[Section]) -> Section | None:
        self._known.update(variables_of(section).values())
        try:
            return read_section(section, self._environment)
        except SettingsError as error:
            self._mistakes.append(error)
            return None

    def _choose(self, group: str, name: str) -> ChosenPlugin | None:
        try:
            loaded = load(group, name)
        except BootError as error:
            self._mistakes.append(error)
            return None
        section = self._section(loaded.plugin.settings)
        if section is None:
            return None
        return ChosenPlugin(loaded, section, group == "aegis.audit_sink" and self._required(name))

    def _required(self, sink: str) -> bool:
        variable = f"AEGIS_AUDIT_{sink.upper()}_REQUIRED"
        self._known.add(variable)
        text = self._environment.get(variable, "false").lower()
        if text not in ("true", "false"):
            self._mistakes.append(SettingsError(f"{variable} must be true or false"))
        return text == "true"

    def _refuse_remote_dev(self, selection: Selection, kernel: KernelSettings) -> None:
        if selection.dev_mode and not kernel.is_loopback and not kernel.auth_dev_allow_remote:
            self._mistakes.append(
                SettingsError(
                    f"AEGIS_HTTP_HOST={kernel.http_host} would let anyone on the network be anyone: "
                    "set AEGIS_AUTH_KIND=hmac with AEGIS_AUTH_HMAC_SECRET (32 bytes or more), "
                    "or AEGIS_AUTH_DEV_ALLOW_REMOTE=true if only you can reach this address"
                )
            )

    def _user_data_dir(self) -> Path:
        base = self._environment.get("XDG_DATA_HOME") or "~/.local/share"
        return Path(base).expanduser() / "aegis-kms"

    def _unknown(self) -> tuple[str, ...]:
        ours = {name for name in self._environment if name.startswith("AEGIS_")}
        return tuple(sorted(ours - self._known))


def _raise_together(mistakes: Iterable[str]) -> None:
    lines = "\n".join(mistakes)
    if lines:
        raise ValueError(lines)


def _together(mistakes: list[BootError]) -> BootError:
    if len(mistakes) == 1:
        return mistakes[0]
    return SettingsError("\n".join(str(mistake) for mistake in mistakes))
