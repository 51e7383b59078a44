"""Writes records as lines to a descriptor that may stop taking bytes at any moment."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Sequence
from threading import Lock

from aegis_kernel import LedgerRecord, UnavailableError

# A thread of the shared pool waits no longer than this for a reader that reads nothing.
PATIENCE_SECONDS = 1.0


class LineWriter:
    """Owns a descriptor, and the bytes of a failed delivery that it has not taken yet.

    So a record that comes again after a failure is continued, not repeated: a line is never torn,
    and a slow reader still gets ahead.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._writing = Lock()
        self._is_closing = False
        self._last_position = 0
        self._untaken = b""

    @property
    def is_broken(self) -> bool:
        """Whether a write would fail now: the reader is gone."""
        return bool(_poll(self._descriptor, 0.0) & ~select.POLLOUT)

    @property
    def is_behind(self) -> bool:
        """Whether a delivery failed and has not been completed since."""
        return bool(self._untaken)

    def write(self, records: Sequence[LedgerRecord]) -> None:
        """Return once every byte is taken. Blocks, so call it in a thread; one call at a time.

        Raises UnavailableError when nothing is taken for PATIENCE_SECONDS, the reader is gone, or
        an earlier call is still writing.
        """
        if not self._writing.acquire(blocking=False):
            raise UnavailableError("Standard output is still taking earlier records")
        try:
            self._write_all(self._untaken + self._fresh_lines(records))
        except OSError as error:
            raise UnavailableError(f"Standard output takes no bytes: {error.strerror}") from error
        finally:
            self._writing.release()

    def close(self) -> None:
        """Close the descriptor, once the write under way has noticed."""
        self._is_closing = True
        # Never closed under a writer: its number could already be another file's.
        if self._writing.acquire(timeout=2 * PATIENCE_SECONDS):
            os.close(self._descriptor)

    def _fresh_lines(self, records: Sequence[LedgerRecord]) -> bytes:
        fresh = [record for record in records if record.position > self._last_position]
        self._last_position = fresh[-1].position if fresh else self._last_position
        return b"".join([record.body + b"\n" for record in fresh])

    def _write_all(self, lines: bytes) -> None:
        rest = memoryview(lines)
        try:
            while rest:
                rest = rest[self._write_some(rest) :]
        finally:
            self._untaken = bytes(rest)

    def _write_some(self, rest: memoryview) -> int:
        if self._is_closing:
            raise OSError(errno.ESHUTDOWN, "the server is stopping")
        if not _poll(self._descriptor, PATIENCE_SECONDS):
            raise OSError(errno.ETIMEDOUT, f"nothing was read for {PATIENCE_SECONDS:g} s")
        # After poll, a pipe takes PIPE_BUF bytes without blocking, all of them or none. So whole lines
        # go together where they can: whoever ends here tears none, and no other process's comes between.
        most = rest[: select.PIPE_BUF]
        whole = bytes(most).rfind(b"\n") + 1
        return os.write(self._descriptor, most[:whole] if whole else most)


def _poll(descriptor: int, seconds: float) -> int:
    """Return the events of a descriptor that takes bytes or is broken, 0 for none in `seconds`."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return sum(events for _, events in poll.poll(seconds * 1000))
