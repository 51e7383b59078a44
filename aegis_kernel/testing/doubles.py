"""Real, small stand-ins for what the kernel passes to a plugin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from aegis_kernel.spi.context import Clock, PluginContext
from aegis_kernel.spi.settings import SettingsSection

Result = TypeVar("Result")


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: float = 1_778_289_825.234) -> None:
        self._now = now
        self._monotonic = 1_000.0

    def time(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass: both clocks move."""
        self._now += seconds
        self._monotonic += seconds

    def step(self, seconds: float) -> None:
        """Set the wall clock forward or back, as NTP does; monotonic time does not move."""
        self._now += seconds


class ThreadExecutor:
    """An executor with two threads, as the kernel's own but without a bound."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=2)

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    async def run_long(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await self.run(work, *arguments)


def plugin_context(
    settings: SettingsSection,
    data_dir: Path,
    *,
    dev_mode: bool = False,
    clock: Clock | None = None,
) -> PluginContext:
    """Return a context as the kernel would pass it to the plugin's hook."""
    return PluginContext(
        settings=settings,
        clock=clock or ManualClock(),
        executor=ThreadExecutor(),
        data_dir=data_dir,
        dev_mode=dev_mode,
    )
