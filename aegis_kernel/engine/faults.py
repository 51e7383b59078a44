"""What plugins do wrong: contained where it happens, counted, and logged at most once a minute each.

A plugin lives in this process. What it raises is contained; a thread or a loop that it blocks for
good is not, and cannot be.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aegis_kernel.spi.context import Clock

QUIET_SECONDS = 60.0

Result = TypeVar("Result")

#: What a plugin may raise at us. KeyboardInterrupt is the operator's.
ANYTHING: tuple[type[BaseException], ...] = (Exception, SystemExit)

_log = logging.getLogger("aegis")


class PluginFaultError(Exception):
    """A plugin did what no plugin may do: ended the process, or answered with a wrong type."""


class Faults:
    """Notes faults by port and plugin. `told(port, kind)` is called for each one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._quiet_until: dict[tuple[str, str], float] = {}
        self._unsaid: dict[tuple[str, str], int] = {}
        self.told: Callable[[str, str], None] = _nobody

    def note(self, port: str, kind: str, error: BaseException) -> None:
        """Count one fault of a plugin. The text of `error` is not logged: it may hold a secret."""
        self.told(port, kind)
        plugin, now = (port, kind), self._clock.monotonic()
        if now < self._quiet_until.get(plugin, float("-inf")):
            self._unsaid[plugin] = self._unsaid.get(plugin, 0) + 1
            return
        self._quiet_until[plugin] = now + QUIET_SECONDS
        before = self._unsaid.pop(plugin, 0)
        more = f", and {before} times before" if before else ""
        _log.error("plugin %s %s failed (%s%s)", port, kind, type(error).__name__, more)


async def contained(call: Callable[..., Awaitable[Result]], *arguments: object) -> Result:
    """Return what `call` returns. Raises an Exception for whatever it raises.

    SystemExit would end the loop from inside a task, and a CancelledError that nobody asked for
    would end the task.
    """
    try:
        return await call(*arguments)
    except SystemExit as error:
        raise PluginFaultError("it tried to end the process") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise PluginFaultError("it cancelled itself") from error


def _nobody(port: str, kind: str) -> None:
    """Where no telemetry listens."""
