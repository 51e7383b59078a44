"""Serving until told: one process by itself, or one worker of several."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable
from functools import partial

import uvloop

from aegis_kernel.commands.admin_socket import AdminSocket
from aegis_kernel.domain.errors import BootError
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.providers import journal_is_shared
from aegis_kernel.engine.settings import Settings
from aegis_kernel.listener import Listener
from aegis_kernel.rest.app import build_app
from aegis_kernel.sockets import adopt
from aegis_kernel.spi.context import Clock
from aegis_kernel.workers.post import Post, Ready, outlive_no_supervisor, report_ready

# A thread that waits for the GIL gets it after this long; the default of 5 ms would be the
# journal's writer waiting a whole commit's time for a busy event loop.
SWITCH_SECONDS = 0.0005

_log = logging.getLogger("aegis")


class Boot:
    """Says once how the boot went, with the time since `began` (monotonic seconds)."""

    def __init__(self, settings: Settings, clock: Clock, began: float) -> None:
        self._settings = settings
        self._clock = clock
        self._began = began

    def announce(self, port: int, ready: Ready) -> None:
        """Say where it listens and what it works with; the port is open."""
        host = self._settings.kernel.http_host
        _log.info("Started Aegis server on %s:%s", f"[{host}]" if ":" in host else host, port)
        for line in ready.lines:
            _log.info("%s", line)
        if self._settings.kernel.workers > 1:
            _log.info("Workers: %s", self._settings.kernel.workers)
        for variable in self._settings.unknown_variables:
            _log.warning("%s is set, but nothing that is loaded reads it", variable)
        _log.info("Boot complete in %.2fs", self._clock.monotonic() - self._began)


def serve_alone(settings: Settings, boot: Boot) -> int:
    """Serve in this process, until SIGTERM; return the exit code."""
    sys.setswitchinterval(SWITCH_SECONDS)
    return uvloop.run(_serve(settings, boot.announce, None))


def serve_as_worker(settings: Settings, post: Post) -> int:
    """Serve at a supervisor's sockets, until SIGTERM; return the exit code."""
    outlive_no_supervisor(post)
    sys.setswitchinterval(SWITCH_SECONDS)
    return uvloop.run(_serve(settings, lambda port, ready: report_ready(post, ready.lines), post))


def require_shared_journal(settings: Settings, clock: Clock) -> None:
    """Raise BootError where several workers cannot have the journal open at once."""
    if not journal_is_shared(settings, clock):
        kind = settings.chosen("aegis.journal")[0].loaded.installed.name
        raise BootError(
            f"AEGIS_WORKERS={settings.kernel.workers}: the {kind} journal serves one process; set "
            "AEGIS_WORKERS=1, or AEGIS_JOURNAL_KIND to a journal that several share (postgres)"
        )


async def _serve(settings: Settings, ready: Callable[[int, Ready], None], post: Post | None) -> int:
    async with Kernel(settings) as kernel:
        http = settings.kernel
        listening = partial(_listening, kernel, ready)
        listener = Listener(build_app(kernel), http.http_host, http.http_port, listening)
        admin = _admin_socket(kernel, settings, post)
        _hear_signals(kernel, listener, admin)
        sockets = [adopt(number) for number in post.sockets] if post else None
        async with admin:
            await listener.serve(sockets)
        return 0


def _admin_socket(kernel: Kernel, settings: Settings, post: Post | None) -> AdminSocket:
    if post is None:
        return AdminSocket(kernel, settings.data_dir)
    listening = None if post.admin is None else adopt(post.admin)
    return AdminSocket(kernel, settings.data_dir, handed=True, listening=listening)


def _hear_signals(kernel: Kernel, listener: Listener, admin: AdminSocket) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _drain, kernel, listener, admin.is_handed)
    if admin.is_handed:
        loop.add_signal_handler(signal.SIGHUP, _retire, kernel, listener, admin)


def _drain(kernel: Kernel, listener: Listener, is_worker: bool) -> None:
    """Say "not ready", serve on for AEGIS_DRAIN_SECONDS, then stop; told again, stop at once."""
    seconds = kernel.settings.kernel.drain_seconds
    if not is_worker:  # the supervisor says it once for all
        _log.info("Stopping now" if listener.is_draining else f"Draining for {seconds:g} s")
    kernel.drain()
    listener.drain(seconds)


def _retire(kernel: Kernel, listener: Listener, admin: AdminSocket) -> None:
    """Leave new connections to the other workers, finish with one's own, then stop."""
    listener.retire(kernel.settings.kernel.drain_seconds)
    admin.leave()


def _listening(kernel: Kernel, ready: Callable[[int, Ready], None], port: int) -> None:
    _settle_memory()
    ready(port, Ready(kernel.boot_lines()))


def _settle_memory() -> None:
    # What boot made lives as long as the process: the collector need never look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
