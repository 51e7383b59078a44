"""The journal and the roots of trust alone: what master keys and backups need where no server runs."""

from __future__ import annotations

import logging
from types import TracebackType

from aegis_kernel.engine.backups import build_backups
from aegis_kernel.engine.clock import SystemClock
from aegis_kernel.engine.commit import Committer
from aegis_kernel.engine.executor import BoundedExecutor
from aegis_kernel.engine.master_rotation import MasterRotation
from aegis_kernel.engine.masters import Masters
from aegis_kernel.engine.policies import Policies, build_policies
from aegis_kernel.engine.providers import Providers, ask_all
from aegis_kernel.engine.records import Scribe
from aegis_kernel.engine.settings import Settings
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.root_of_trust import RootOfTrust
from aegis_kernel.spi.sealing import MaterialKeeper

_log = logging.getLogger("aegis")


class OfflineKernel:
    """`async with OfflineKernel(settings) as offline:` opens both, and makes no master key.

    No sweep runs, no sink is delivered to, nothing listens. Raises BootError on entry, as when a
    server holds the journal.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        self._executor = BoundedExecutor(threads=2, waiting=64)
        self.providers = ask_all(settings, clock, self._executor)
        journal, roots = self.providers.journal, self.providers.roots
        self._committer = Committer(journal, clock, lambda entries, seconds: None)
        scribe = Scribe(clock)
        self._masters = Masters(journal, self._committer.commit, scribe, roots)
        self.master_rotation = MasterRotation(journal, roots, self._masters, self._committer.commit)
        self._policies = build_policies(self.providers, self._committer.commit, scribe)
        self._has_authorizer = False
        self.backups = build_backups(
            settings, self.providers, clock, scribe, self._committer.commit
        )

    async def __aenter__(self) -> OfflineKernel:
        try:
            await self.providers.journal.open()
            await open_roots(self.providers)
            await self._masters.open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._committer.aclose()
        await self._close()

    async def policies_at_hand(self) -> Policies:
        """Return the policies; the authorizer is opened only here, as only they need it."""
        if not self._has_authorizer:
            self._has_authorizer = True
            await self.providers.authorizer.open()
        return self._policies

    async def _close(self) -> None:
        if self._has_authorizer:
            await self.providers.authorizer.aclose()
        await close_roots(self.providers)
        await self.providers.journal.aclose()
        self._executor.close()


async def open_roots(providers: Providers) -> None:
    """Open every root of trust; one that keeps a master key must have it already."""
    for root in providers.roots.values():
        await _open(root)


async def close_roots(providers: Providers) -> None:
    """Close every root of trust, whatever one of them says."""
    for name, root in providers.roots.items():
        try:
            await root.aclose()
        except Exception as error:  # noqa: BLE001 - it must not keep the others open
            _log.warning("root_of_trust %s did not close: %r", name, error)


async def _open(root: RootOfTrust) -> None:
    if isinstance(root, MaterialKeeper):
        await root.open_existing()
    else:
        await root.open()
