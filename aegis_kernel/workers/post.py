"""A worker's post: what the supervisor has handed to it, as numbers of open files."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from pathlib import Path

import msgspec

# Once the supervisor is gone: the last answers, the sinks' flush, and then out whatever hangs.
ORPHAN_SECONDS = 10.0


class Post(msgspec.Struct, frozen=True):
    """`sockets` listen for requests, `admin` for operators (None where another worker answers them).

    `lifeline` ends when the supervisor does; `report` takes the one line that says "ready".
    """

    sockets: tuple[int, ...]
    lifeline: int
    report: int
    directory: str
    admin: int | None = None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Every file that a worker inherits."""
        admin = () if self.admin is None else (self.admin,)
        return (*self.sockets, self.lifeline, self.report, *admin)


class Ready(msgspec.Struct, frozen=True):
    """What a worker reports once it serves: what boot says of the chosen parts."""

    lines: tuple[str, ...]


def report_ready(post: Post, lines: tuple[str, ...]) -> None:
    """Tell the supervisor that this worker serves."""
    os.write(post.report, msgspec.json.encode(Ready(lines)) + b"\n")
    os.close(post.report)


def outlive_no_supervisor(post: Post) -> None:
    """Stop this process when the supervisor is gone, however it went, also in the middle of a boot."""
    for descriptor in post.descriptors:
        os.set_inheritable(descriptor, False)
    threading.Thread(target=_wait_for_the_end, args=(post,), daemon=True).start()


def _wait_for_the_end(post: Post) -> None:
    os.read(post.lifeline, 1)
    # Twice: begin the drain, and end it.
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.2)
    time.sleep(ORPHAN_SECONDS)
    shutil.rmtree(Path(post.directory), ignore_errors=True)
    os._exit(1)
