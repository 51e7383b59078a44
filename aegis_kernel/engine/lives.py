"""Opening and closing one component, each within its time."""

from __future__ import annotations

import asyncio
import logging

from aegis_kernel.domain.errors import BootError, PluginLoadError
from aegis_kernel.engine.faults import contained
from aegis_kernel.engine.health import Component

CLOSE_SECONDS = 5.0

_log = logging.getLogger("aegis")


async def open_component(component: Component, seconds: float) -> None:
    """Open it. Raises BootError, which names it, for whatever it raises, and when it takes longer."""
    who = f"{component.port} plugin {component.kind}"
    try:
        await asyncio.wait_for(contained(component.provider.open), seconds)
    except BootError:
        raise
    except TimeoutError as error:
        raise PluginLoadError(
            f"{who} did not open within {seconds:g} s; see whether what it connects to answers, or "
            "set AEGIS_OPEN_SECONDS higher"
        ) from error
    except Exception as error:
        raise PluginLoadError(
            f"{who} cannot be opened ({type(error).__name__}: {error})"
        ) from error


async def close_component(component: Component) -> None:
    """Close it; what goes wrong is logged only, so that the others are closed too."""
    try:
        await asyncio.wait_for(contained(component.provider.aclose), CLOSE_SECONDS)
    except Exception as error:  # noqa: BLE001 - see above
        _log.warning("%s %s did not close: %r", component.port, component.kind, error)
