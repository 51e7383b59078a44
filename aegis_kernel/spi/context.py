"""What the kernel hands to a plugin when it asks for its provider."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from aegis_kernel.spi.sealing import Sealer
from aegis_kernel.spi.settings import Section, SettingsSection

Result = TypeVar("Result")


class Clock(Protocol):
    """Time as the kernel passes it in; tests move it by hand."""

    def time(self) -> float:
        """Return the wall clock in seconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go backwards, for timeouts and ages."""
        ...


class Executor(Protocol):
    """The bounded pool of threads for work that would block the event loop."""

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Return `work(*arguments)`, run in a thread. Raises UnavailableError when the pool is full."""
        ...

    async def run_long(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """As `run`, for work of more than 50 ms or so: no short work waits behind it."""
        ...


class PluginContext(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin's own settings section, and the services it may use.

    `sealer` is there for roots of trust where the settings choose one; it is open before they are.
    """

    settings: SettingsSection
    clock: Clock
    executor: Executor
    data_dir: Path
    dev_mode: bool
    sealer: Sealer | None = None

    def section(self, kind: type[Section]) -> Section:
        """Return the settings as the section type that the plugin declared."""
        if not isinstance(self.settings, kind):
            raise TypeError(f"the plugin declares {type(self.settings)}, not {kind}")
        return self.settings
