"""One worker as the supervisor sees it: a process, started afresh, that reports when it serves."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping

import msgspec

from aegis_kernel.workers.post import Post, Ready

BOOT_SECONDS = 120.0


class Worker:
    """A running process. Its output goes where the supervisor's goes."""

    def __init__(self, process: asyncio.subprocess.Process, slot: int, report: int) -> None:
        self.process = process
        self.slot = slot
        self._report = report
        #: Told to leave: its end needs no replacement.
        self.retired = False
        self.ready: Ready | None = None

    @staticmethod
    async def start(slot: int, post: Post, environment: Mapping[str, str]) -> Worker:
        """Start a process for `post`; it is not ready yet. `post.report` is set here."""
        reading, writing = os.pipe()
        post = msgspec.structs.replace(post, report=writing)
        try:
            process = await asyncio.create_subprocess_exec(
                # -P: modules are not taken from wherever the supervisor happens to stand.
                *(sys.executable, "-P", "-m", "aegis_kernel.server", "worker"),
                msgspec.json.encode(post).decode(),
                env=dict(environment),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=post.descriptors,
                # A terminal's Ctrl-C reaches the supervisor alone, which passes it on in order.
                start_new_session=True,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return Worker(process, slot, reading)

    async def wait_ready(self) -> Ready | None:
        """Return what it reports once it serves; None if it ends before, or is not up in 2 minutes."""
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        pipe = os.fdopen(self._report, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
        try:
            line = await asyncio.wait_for(reader.readline(), BOOT_SECONDS)
        except TimeoutError:
            self.tell(signal.SIGKILL)
            line = b""
        finally:
            transport.close()
        self.ready = msgspec.json.decode(line, type=Ready) if line else None
        return self.ready

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    def tell(self, number: int) -> None:
        """Send a signal, if it is still there."""
        if self.is_alive:
            self.process.send_signal(number)

    async def end(self, seconds: float) -> int:
        """Wait for its end, which is forced after `seconds`; return the exit code."""
        try:
            return await asyncio.wait_for(self.process.wait(), seconds)
        except TimeoutError:
            self.tell(signal.SIGKILL)
            return await self.process.wait()
