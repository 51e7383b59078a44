"""Delivers to standard output. Durable means here: the operating system has taken the bytes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from aegis_audit_stdout.lines import LineWriter
from aegis_kernel import (
    HEALTHY,
    AuditSink,
    BootError,
    Executor,
    Health,
    LedgerRecord,
    Status,
    UnavailableError,
)


class StdoutSink(AuditSink):
    """Writes in a thread, since standard output may be a pipe that nobody reads."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._writer: LineWriter | None = None

    async def open(self) -> None:
        """Take standard output as it is now. Raises BootError where the process has none."""
        try:
            self._writer = LineWriter(os.dup(sys.stdout.fileno()))
        except (AttributeError, OSError, ValueError) as error:
            raise BootError(
                "Audit sink stdout: this process has no standard output; "
                "give it one, or take stdout out of AEGIS_AUDIT_SINKS"
            ) from error

    async def aclose(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def check(self) -> Health:
        if self._writer is None or self._writer.is_broken:
            return Health(Status.UNAVAILABLE, "the reader of standard output is gone")
        if self._writer.is_behind:
            return Health(Status.DEGRADED, "standard output is not being read")
        return HEALTHY

    async def deliver(self, records: Sequence[LedgerRecord]) -> None:
        """Raises UnavailableError when the bytes were not all taken; nothing is lost or torn then:
        the next call goes on at the byte where this one stopped.
        """
        if self._writer is None:
            raise UnavailableError("Standard output is closed")
        await self._executor.run(self._writer.write, records)
