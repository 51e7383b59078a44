"""Port: an audit sink receives the ledger, at least once and in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aegis_kernel.spi.journal import LedgerRecord
from aegis_kernel.spi.provider import Provider


class AuditSink(Provider, Protocol):
    """Receives audit records. A record may come twice: `eventId` in its body tells."""

    async def deliver(self, records: Sequence[LedgerRecord]) -> None:
        """Return once every record is durable in the sink; raise, and they come again.

        One call is under way at a time, in ledger order. The kernel waits with growing pauses after
        an error and gives a call 30 seconds.
        """
        ...
