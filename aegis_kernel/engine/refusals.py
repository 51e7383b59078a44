"""Refusals beyond a limit: counted, and summarised, so that a flood of them fills no disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aegis_kernel.domain.errors import AegisError, TooManyRequestsError
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import Principal, PrincipalKind
from aegis_kernel.engine.operations.declaration import Caller, Effect
from aegis_kernel.engine.records import Scribe
from aegis_kernel.spi.journal import Committed, Conflict, Entry, Record

WINDOW_SECONDS = 10.0
MOST_RECORDS = 200

_Row = tuple[str, Operation]


class Refusals:
    """Counts by principal and operation: at most 200 records every 10 s, together in one commit.

    Whoever comes beyond these is counted with all such others, as an unknown actor.
    """

    def __init__(
        self, commit: Callable[[Entry], Awaitable[Committed | Conflict]], scribe: Scribe
    ) -> None:
        self._commit = commit
        self._scribe = scribe
        self._counts: dict[_Row, int] = {}
        self._callers: dict[_Row, Caller] = {}
        self._unwritten: tuple[Record, ...] = ()
        self._writing = asyncio.Lock()

    def note(self, caller: Caller, operation: Operation) -> None:
        """Count one refusal; returns at once."""
        row = (caller.principal.subject, operation)
        if row not in self._counts:
            if len(self._counts) >= MOST_RECORDS - len(Operation):
                caller, row = _OTHERS, ("", operation)
            self._callers[row] = Caller(caller.principal, standing=caller.standing)
        self._counts[row] = self._counts.get(row, 0) + 1

    async def summarise(self) -> None:
        """Record what was counted since. What the journal did not take is tried again next time."""
        async with self._writing:
            self._unwritten = self._unwritten or self._counted()
            if not self._unwritten:
                return
            try:
                await self._commit(Entry(expects={}, records=self._unwritten))
            except AegisError:
                return  # their ids stay the same, and the journal's health tells the operator
            self._unwritten = ()

    async def run(self) -> None:
        """Summarise every 10 s until cancelled."""
        while True:
            await asyncio.sleep(WINDOW_SECONDS)
            # Shielded: what is on its way when this is cancelled must not be written twice.
            await asyncio.shield(self.summarise())

    async def aclose(self) -> None:
        """Record what was left over, and what is still only counted."""
        await self.summarise()
        await self.summarise()

    def _counted(self) -> tuple[Record, ...]:
        rows = [(self._callers[row], row[1], count) for row, count in self._counts.items()]
        self._counts, self._callers = {}, {}
        return tuple([self._record(*row) for row in rows])

    def _record(self, caller: Caller, operation: Operation, count: int) -> Record:
        effect = Effect(outcome=TooManyRequestsError.code, count=count)
        return self._scribe.effect(self._scribe.new_event_id(), operation, caller, None, effect)


_OTHERS = Caller(Principal(subject="unknown", kind=PrincipalKind.UNKNOWN))
