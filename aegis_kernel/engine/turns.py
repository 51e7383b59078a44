"""One after the other in this process, in the order in which they came: for what would else only conflict."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from aegis_kernel.domain.errors import UnavailableError

MAX_WAITING = 1024
WAIT_SECONDS = 5.0


class _Line(msgspec.Struct):
    """Who has the turn holds the lock; `people` counts that one and all who wait."""

    lock: asyncio.Lock
    people: int = 0


class Turns:
    """Turns by name. A holder keeps its turns until it gives them back, all at once."""

    def __init__(self, seconds: float = WAIT_SECONDS, most: int = MAX_WAITING) -> None:
        self._seconds = seconds
        self._most = most
        self._lines: dict[str, _Line] = {}
        #: What each holder has now; empty while nobody has a turn.
        self.held: dict[str, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._lines)

    async def take(self, holder: str, names: Sequence[str]) -> None:
        """Wait until `holder` has the turns of all `names`.

        Raises UnavailableError after 5 s, or at once where too many wait already.
        """
        held = self.held.get(holder, ())
        if set(names) <= set(held):
            return
        self.give_back(holder)
        taken = list[str]()
        try:
            async with asyncio.timeout(self._seconds):
                # Everybody takes them in the same order, so that nobody waits for each other.
                for name in sorted(set(names)):
                    await self._join(name)
                    taken.append(name)
        except BaseException as error:
            self._leave(taken)
            if isinstance(error, TimeoutError):
                raise _busy() from None
            raise
        self.held[holder] = tuple(taken)

    def give_back(self, holder: str) -> None:
        """Let the next ones have the turns of `holder`, if it has any."""
        self._leave(self.held.pop(holder, ()))

    async def _join(self, name: str) -> None:
        line = self._lines.setdefault(name, _Line(asyncio.Lock()))
        if line.people >= self._most:
            raise _busy()
        line.people += 1
        try:
            await line.lock.acquire()
        except BaseException:
            self._forget(name, line)
            raise

    def _leave(self, names: Sequence[str]) -> None:
        for name in names:
            line = self._lines[name]
            line.lock.release()
            self._forget(name, line)

    def _forget(self, name: str, line: _Line) -> None:
        line.people -= 1
        if not line.people:
            del self._lines[name]


def _busy() -> UnavailableError:
    return UnavailableError("This grant is used too often at once; try again in a moment")
