"""A worker's seat: the number under which its values lie in the directory that all have in common."""

from __future__ import annotations

import fcntl
from itertools import count
from pathlib import Path
from typing import IO

from prometheus_client import values


def take_seat(common: Path) -> IO[bytes]:
    """Keep this process's values under the first seat that nobody has; closing the file gives it up.

    Whoever takes it next counts on. By process ids, the library's own way, every worker that ever
    ended would leave files behind.
    """
    for number in count():
        held = (common / f"seat.{number}").open("ab")
        try:
            # Ends with the process, however that ends.
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.close()
            continue
        break
    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]
    return held
