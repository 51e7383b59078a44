"""The supervisor: binds the port, starts the workers, replaces those that die, restarts them in turn.

It serves nothing and opens no plugin, so there is little that could end it; if something does, the
pipe that every worker reads from ends too, and they leave.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from aegis_kernel.commands.admin_socket import NAME, listen_for_operators
from aegis_kernel.engine.settings import Settings
from aegis_kernel.sockets import bind
from aegis_kernel.workers.post import Post, Ready
from aegis_kernel.workers.worker import Worker

# A worker finishes its answers (12 s) and its sinks (5 s) after the drain; then it is ended.
LEAVE_SECONDS = 20.0
FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 10.0
MOST_FAILURES = 5

_log = logging.getLogger("aegis")

Announce = Callable[[int, Ready], None]


class Supervisor:
    """`announce(port, ready)` is called once all workers serve."""

    def __init__(
        self, settings: Settings, environment: Mapping[str, str], announce: Announce
    ) -> None:
        self._settings = settings
        self._announce = announce
        self._count = settings.kernel.workers
        self._directory = Path(tempfile.mkdtemp(prefix="aegis-workers-"))
        self._environment = {**environment, **_directories(settings, self._directory)}
        self._workers: set[Worker] = set()
        self._watches: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._ended = asyncio.Event()
        self._is_stopping = False
        self._is_rolling = False
        self._code = 0

    async def run(self) -> int:
        """Serve until told; return the exit code. Raises BootError where the port cannot be bound."""
        http = self._settings.kernel
        lifeline, self._hold = os.pipe()
        sockets: list[socket.socket] = []
        admin: socket.socket | None = None
        try:
            sockets = bind(http.http_host, http.http_port)
            admin = listen_for_operators(self._settings.data_dir)
            self._post = Post(
                sockets=tuple(each.fileno() for each in sockets),
                lifeline=lifeline,
                report=-1,
                directory=str(self._directory),
                admin=admin.fileno() if admin else None,
            )
            self._hear_signals()
            if await self._boot(sockets[0].getsockname()[1]):
                await self._ended.wait()
            await self._end_all()
        finally:
            os.close(self._hold)
            os.close(lifeline)
            for each in sockets:
                each.close()
            if admin is not None:
                admin.close()
                (self._settings.data_dir / NAME).unlink(missing_ok=True)
            shutil.rmtree(self._directory, ignore_errors=True)
        return self._code

    def _hear_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._roll)

    async def _boot(self, port: int) -> bool:
        """Start the first worker alone: what is wrong, it says once, and before the port is open."""
        first = await self._start(0)
        if first is None or first.ready is None:
            self._code = 0 if self._is_stopping else 1
            return False
        others = await asyncio.gather(*(self._start(slot) for slot in range(1, self._count)))
        if self._is_stopping:
            return True
        if None in others:
            _log.error("a worker did not boot, although the first one did; its own line says why")
            self._code = 1
            return False
        self._announce(port, first.ready)
        return True

    async def _start(self, slot: int) -> Worker | None:
        """Start a worker and wait until it serves; None if it does not come to that."""
        post = self._post
        if slot != 0:
            post = Post(post.sockets, post.lifeline, post.report, post.directory)
        worker = await Worker.start(slot, post, self._environment)
        self._workers.add(worker)
        if self._is_stopping:
            worker.tell(signal.SIGTERM)
        if await worker.wait_ready() is None:
            await worker.end(LEAVE_SECONDS)
            self._workers.discard(worker)
            return None
        watch = asyncio.create_task(self._watch(worker))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        return worker

    async def _watch(self, worker: Worker) -> None:
        code = await worker.process.wait()
        if self._is_stopping or worker.retired:
            return
        self._workers.discard(worker)
        ending = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        _log.warning("worker %s ended (%s); another takes its place", worker.process.pid, ending)
        await self._replace(worker.slot)

    async def _replace(self, slot: int) -> None:
        """Try until one serves; give up when nobody serves and nobody comes up."""
        delay = FIRST_BACKOFF_SECONDS
        while not self._is_stopping:
            worker = await self._start(slot)
            if worker is not None:
                _log.info("worker %s serves", worker.process.pid)
                self._failures = 0
                return
            if self._is_stopping:
                return
            self._failures += 1
            is_served = any(each.ready and each.is_alive for each in self._workers)
            if self._failures >= MOST_FAILURES and not is_served:
                _log.error("%s workers in a row did not boot, and none serves", self._failures)
                self._code = 1
                self._ended.set()
                return
            await asyncio.sleep(delay)
            delay = min(LONGEST_BACKOFF_SECONDS, 2 * delay)

    def _stop(self) -> None:
        """Drain every worker; told again, they stop at once."""
        seconds = self._settings.kernel.drain_seconds
        _log.info("Stopping now" if self._is_stopping else f"Draining for {seconds:g} s")
        self._is_stopping = True
        for worker in self._workers:
            worker.tell(signal.SIGTERM)
        self._ended.set()

    def _roll(self) -> None:
        if self._is_rolling or self._is_stopping or self._ended.is_set():
            return
        self._is_rolling = True
        task = asyncio.create_task(self._roll_all())
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)

    async def _roll_all(self) -> None:
        """One after the other: the new one serves before the old one leaves."""
        _log.info("Restarting the workers in turn")
        try:
            for old in sorted(self._workers, key=lambda worker: worker.slot):
                if self._is_stopping or not old.is_alive:
                    continue
                if await self._start(old.slot) is None:
                    if not self._is_stopping:
                        _log.error("the new worker did not boot; the old ones serve on")
                    return
                old.retired = True
                old.tell(signal.SIGHUP)
                await old.end(self._settings.kernel.drain_seconds + LEAVE_SECONDS)
                self._workers.discard(old)
            _log.info("Restarted the workers")
        finally:
            self._is_rolling = False

    async def _end_all(self) -> None:
        self._is_stopping = True
        seconds = self._settings.kernel.drain_seconds + LEAVE_SECONDS
        for worker in self._workers:
            if self._code:
                worker.tell(signal.SIGTERM)
        codes = await asyncio.gather(*(worker.end(seconds) for worker in self._workers))
        for task in list(self._watches):
            task.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        # A worker that was still booting ends by the signal itself.
        if any(code not in (0, -signal.SIGTERM) for code in codes):
            self._code = 1


def _directories(settings: Settings, place: Path) -> dict[str, str]:
    """Make a directory for each plugin whose library wants one in common; {variable: path}."""
    variables = {}
    for chosen in settings.plugins:
        variable = chosen.loaded.plugin.workers_directory
        if variable:
            directory = place / chosen.loaded.installed.name
            directory.mkdir(mode=0o700, exist_ok=True)
            variables[variable] = str(directory)
    return variables
