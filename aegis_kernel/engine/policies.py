"""The stream `system/policy`: which policies decide, as the journal knows it.

Every request's entry expects this stream unmoved, so that nothing decided by superseded policies is
released. Policies that never were active become so by themselves, at boot and when a running
server's file changes; policies that were superseded only by an operator's word.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec
from msgspec.structs import replace

from aegis_kernel.domain.errors import BootError, UnavailableError
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.engine.health import Component
from aegis_kernel.engine.providers import Providers
from aegis_kernel.engine.records import Scribe
from aegis_kernel.spi.authorizer import Authorizer
from aegis_kernel.spi.journal import Append, Committed, Conflict, Entry, Journal
from aegis_kernel.spi.policy import PolicyKeeper
from aegis_kernel.spi.provider import Health, Provider, Status

STREAM = "system/policy"
# How often the file is looked at, and where a journal is shared, the stream.
LOOK_SECONDS = 1.0
_ATTEMPTS = 8
_REMEDY = "`aegis-server policy activate` makes them the active ones"
_UNREADY = "The policies of this server are not the active ones"

_log = logging.getLogger("aegis")

Commit = Callable[[Entry], Awaitable[Committed | Conflict]]


class Active(msgspec.Struct, frozen=True):
    """The event and the snapshot of this stream: the digest of the policies that decide."""

    digest: str


class Activated(msgspec.Struct, frozen=True):
    """What an activation came to."""

    digest: str
    before: str | None


class Policies(Provider):
    """Owned by the kernel. An authorizer without policies has the name of its kind as its digest.

    Where it has none and the stream does not exist, nothing is expected and nothing is asked.
    """

    def __init__(
        self, journal: Journal, commit: Commit, scribe: Scribe, authorizer: Authorizer, kind: str
    ) -> None:
        self._journal = journal
        self._commit = commit
        self._scribe = scribe
        self._authorizer = authorizer
        self._keeper = authorizer if isinstance(authorizer, PolicyKeeper) else None
        self._kind = kind
        self._lock = asyncio.Lock()
        self._sequence = 0
        self._seen = 0
        self._active: str | None = None
        self._left: str | None = None
        #: What each request's entry expects; empty where there are no policies.
        self.expects: tuple[tuple[str, int], ...] = ()
        #: Why no request is decided here, with the remedy.
        self.unready: str | None = None

    @property
    def is_free(self) -> bool:
        """Whether nothing is to be expected of a request, and nothing asked."""
        return not self.expects and self.unready is None

    @property
    def digest(self) -> str:
        """The digest of what decides here."""
        return self._kind if self._keeper is None else self._keeper.digest

    async def aclose(self) -> None:
        """Nothing is held."""

    async def open(self, *, is_trial: bool = False) -> None:
        """Activate policies that are new, unless in a trial; be unready where they were superseded.

        Raises BootError while several servers boot with policies that differ.
        """
        async with self._lock:
            for _ in range(_ATTEMPTS):
                await self._load()
                if self._is_settled():
                    return
                if await self._was_active(self.digest):
                    self._say_unready()
                    return
                if is_trial or await self._append(self.digest, self.digest):
                    return
        raise BootError("several servers boot with policies that differ; start this one again")

    async def check(self) -> Health:
        """Return the authorizer's health, and what is wrong with its policies beside it."""
        if self.unready is not None:
            return Health(Status.UNAVAILABLE, self.unready)
        if self._left is not None:
            return Health(Status.DEGRADED, self._left)
        return await self._authorizer.check()

    def expected(self) -> tuple[tuple[str, int], ...]:
        """Return what a request's entry expects.

        Raises UnavailableError where the policies here are not the active ones.
        """
        if self.unready is not None:
            raise UnavailableError(self.unready, retry_after_seconds=5)
        return self.expects

    async def look_anew(self) -> None:
        """Learn what another process may have made active: for a read, which no commit fences."""
        if self._journal.shared and self.unready is None:
            await self.refresh()

    async def refresh(self) -> None:
        """Learn where the stream stands; follow it where the active policies are at hand."""
        if not await self._has_moved():
            return
        async with self._lock:
            if await self._has_moved():
                await self._follow()

    async def activate(self, asked_by: str) -> Activated:
        """Make the policies here the active ones, as an operator asks.

        Raises UnavailableError where those in the file are bad.
        """
        async with self._lock:
            waiting = await self._look_at_file()
            health = await self._authorizer.check()
            if health.status is not Status.OK:
                raise UnavailableError(f"These policies cannot be activated: {health.detail}")
            wanted = waiting or self.digest
            for _ in range(_ATTEMPTS):
                await self._load()
                before = self._active
                if before == wanted:
                    await self._follow()
                    return Activated(wanted, before)
                if await self._append(wanted, f"{wanted}; asked by {asked_by}"):
                    return Activated(wanted, before)
        raise UnavailableError("The policies are changing too fast; try again")

    async def look(self) -> None:
        """Look at the file, and where the journal is shared at the stream, once."""
        async with self._lock:
            waiting = await self._keeper.look_again() if self._keeper is not None else None
            if self._journal.shared and await self._has_moved():
                await self._follow()
            elif waiting is not None:
                await self._consider(waiting)
            else:
                self._left = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - tried again at the next turn; requests say what is wrong
                _log.debug("the policies could not be looked at")

    async def _consider(self, waiting: str) -> None:
        """Follow, activate or leave what waits in the file."""
        if waiting == self._active:
            await self._follow()
        elif not await self._was_active(waiting):
            if not await self._append(waiting, waiting):
                await self._follow()
        elif self._left is None:
            self._left = f"the policies in the file were superseded; {_REMEDY}"
            _log.error("%s", self._left)

    async def _append(self, digest: str, said: str) -> bool:
        body = msgspec.json.encode(Active(digest))
        entry = Entry(
            expects={STREAM: self._sequence},
            appends=(Append(stream=STREAM, events=(body,), snapshot=body),),
            records=(self._scribe.own(Operation.ACTIVATE_POLICY, said),),
        )
        if isinstance(await self._commit(entry), Conflict):
            return False
        # Nothing else runs between here and the end: what decides and what is expected go together.
        self._sequence, self._active = self._sequence + 1, digest
        if self._keeper is not None and digest != self._keeper.digest:
            self._keeper.adopt()
        if not self._is_settled():
            self._say_unready()  # a keeper that adopted something else decides nothing
        _log.info("the active policies are %s", digest)
        return True

    async def _follow(self) -> None:
        await self._load()
        # They may lie in the file here already. A half-written one has another digest.
        found = await self._look_at_file() if self._active != self.digest else None
        if self._keeper is not None and found is not None and found == self._active:
            self._keeper.adopt()
        if not self._is_settled():
            self._say_unready()

    async def _look_at_file(self) -> str | None:
        return None if self._keeper is None else await self._keeper.look_again(at_once=True)

    async def _load(self) -> None:
        stored = await self._journal.load(STREAM)
        self._sequence = stored.sequence if stored is not None else 0
        self._active = decode(stored.snapshot).digest if stored is not None else None

    async def _has_moved(self) -> bool:
        stored = await self._journal.load(STREAM)
        return stored is not None and stored.sequence != self._seen

    def _is_settled(self) -> bool:
        is_free = self._active is None and self._keeper is None
        if is_free or self._active == self.digest:
            self._settle()
            return True
        return False

    def _settle(self) -> None:
        self.unready = self._left = None
        self._seen = self._sequence
        self.expects = ((STREAM, self._sequence),) if self._sequence else ()

    def _say_unready(self) -> None:
        if self.unready is None:
            _log.error("%s: %s are active, %s are here", _UNREADY, self._active, self.digest)
            _log.error("put the active ones in place, or %s", _REMEDY)
        self._seen = self._sequence
        self.unready = f"{_UNREADY}: put those in place, or {_REMEDY}"

    async def _was_active(self, digest: str) -> bool:
        """Return whether they were active, and so have been superseded unless they are."""
        if self._active is None:
            return False
        if self._keeper is None:
            return True  # what decided before the stream began is not known: it may have been this
        events = await self._journal.history(STREAM)
        return any(decode(event).digest == digest for event in events)


def build_policies(providers: Providers, commit: Commit, scribe: Scribe) -> Policies:
    """Return the policies of the chosen authorizer, not yet opened."""
    (kind,) = (each.kind for each in providers.components if each.port == "authorizer")
    return Policies(providers.journal, commit, scribe, providers.authorizer, kind)


def looked_after(providers: Providers, policies: Policies) -> tuple[Component, ...]:
    """Return the components with the authorizer's health as `policies` sees it."""
    return tuple(
        replace(each, provider=policies) if each.port == "authorizer" else each
        for each in providers.components
    )


def decode(body: bytes) -> Active:
    """Return what an event or a snapshot of this stream says."""
    return msgspec.json.decode(body, type=Active)
