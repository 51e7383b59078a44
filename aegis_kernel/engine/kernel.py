"""The composition root: builds everything from the settings, opens it, closes it."""

from __future__ import annotations

import asyncio
import logging
from importlib.metadata import version as distribution_version
from types import TracebackType

from aegis_kernel.engine.acting import Stage
from aegis_kernel.engine.agent_key import AgentKey
from aegis_kernel.engine.agent_tokens import AgentTokens
from aegis_kernel.engine.agents import Agents
from aegis_kernel.engine.aliases import Aliases
from aegis_kernel.engine.authentication import Authentication
from aegis_kernel.engine.authority import Authority
from aegis_kernel.engine.backups import build_backups
from aegis_kernel.engine.bench import Bench, Destruction
from aegis_kernel.engine.clock import SystemClock
from aegis_kernel.engine.commit import Committer
from aegis_kernel.engine.delivery import Delivery, SinkFeed
from aegis_kernel.engine.executor import BoundedExecutor
from aegis_kernel.engine.faults import Faults
from aegis_kernel.engine.grants import Grants
from aegis_kernel.engine.guards import (
    GuardedAuthenticator,
    guarded_authenticators,
    guarded_authorizer,
)
from aegis_kernel.engine.health import HealthBoard, HealthReport
from aegis_kernel.engine.key_set import KeySet
from aegis_kernel.engine.limits import build_limits
from aegis_kernel.engine.lives import close_component, open_component
from aegis_kernel.engine.loader import InstalledPlugin
from aegis_kernel.engine.master_rotation import MasterRotation
from aegis_kernel.engine.masters import Masters
from aegis_kernel.engine.observers import Observers
from aegis_kernel.engine.opened import OpenedKeys
from aegis_kernel.engine.pipeline import Pipeline
from aegis_kernel.engine.policies import Policies, build_policies, looked_after
from aegis_kernel.engine.providers import Providers, ask_all
from aegis_kernel.engine.pulse import Pulse
from aegis_kernel.engine.records import Scribe
from aegis_kernel.engine.refusals import Refusals
from aegis_kernel.engine.rotation import Rotation
from aegis_kernel.engine.schedule import Sweep
from aegis_kernel.engine.settings import Settings
from aegis_kernel.engine.strangers import Strangers
from aegis_kernel.engine.streams import Streams
from aegis_kernel.engine.usage import UsageCounter
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.journal import Journal
from aegis_kernel.spi.provider import Status
from aegis_kernel.spi.telemetry import Exposition

DISTRIBUTION = "aegis-kms"
EXECUTOR_THREADS = 2
EXECUTOR_WAITING = 64
FLUSH_SECONDS = 5.0

_log = logging.getLogger("aegis")


class Kernel:
    """`async with Kernel(settings) as kernel:` is a running service without a wire.

    Two kernels can live in one process. Raises BootError on entry when anything stops the boot.
    """

    def __init__(
        self, settings: Settings, clock: Clock | None = None, *, is_trial: bool = False
    ) -> None:
        """`is_trial`: opened to be looked at, it makes no policies the active ones."""
        self.settings = settings
        self.version = distribution_version(DISTRIBUTION)
        self._clock = clock or SystemClock()
        self._executor = BoundedExecutor(EXECUTOR_THREADS, EXECUTOR_WAITING)
        self.providers = ask_all(settings, self._clock, self._executor)
        self._compose(self.providers)
        self._tasks: list[asyncio.Task[None]] = []
        self._serving = False
        self._is_trial = is_trial

    @property
    def plugins(self) -> tuple[InstalledPlugin, ...]:
        """The plugins in use."""
        return tuple(chosen.loaded.installed for chosen in self.settings.plugins)

    async def __aenter__(self) -> Kernel:
        try:
            await self._open()
        except BaseException:
            await self._close_providers()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.usage.aclose()
        await self._strangers.aclose()
        await self._refusals.aclose()
        await self._committer.aclose()
        await self._delivery.aclose(FLUSH_SECONDS)
        await self._close_providers()

    def drain(self) -> None:
        """Stop being ready, so that load balancers send no more; what comes is still served."""
        self._serving = False

    @property
    def is_ready(self) -> bool:
        """Whether requests should be sent here, as of the last look at the components."""
        is_open = self._committer.closed_because is None
        is_open = is_open and self.policies.unready is None
        return self._serving and is_open and self._board.last.status is not Status.UNAVAILABLE

    async def health(self) -> HealthReport:
        """Return the health of every component, as of at most a second ago."""
        return await self._board.report()

    def expose_metrics(self, accept: str) -> Exposition | None:
        """Return the metrics page, or None if no telemetry has one."""
        return self._observers.expose(accept)

    async def policies_at_hand(self) -> Policies:
        """Return the policies of the chosen authorizer."""
        return self.policies

    def overloaded(self) -> None:
        """Count a request that the wire refused unseen; it is no operation, and makes no record."""
        self._observers.overloaded()

    def boot_lines(self) -> tuple[str, ...]:
        """Return what boot says of the chosen parts, without secrets."""
        roots = ", ".join(type(root).__name__ for root in self.providers.roots.values())
        tracing = [t.description for t in self.providers.telemetries.values() if t.description]
        return (
            f"Persistence: {self.providers.journal.description}",
            f"Crypto: {roots}",
            f"Auth: {', '.join(self.authentication.descriptions)}",
            *(f"Tracing: {description}" for description in tracing),
        )

    def _compose(self, providers: Providers) -> None:
        settings, clock, journal = self.settings.kernel, self._clock, providers.journal
        self._faults = Faults(clock)
        self._observers = Observers(tuple(providers.telemetries.values()), clock, self._faults)
        self._faults.told = self._observers.plugin_failed
        self._committer = Committer(journal, clock, self._committed)
        scribe = Scribe(clock)
        self._masters = Masters(journal, self._committer.commit, scribe, providers.roots)
        self.master_rotation = MasterRotation(
            journal, providers.roots, self._masters, self._committer.commit
        )
        self.backups = build_backups(
            self.settings, providers, clock, scribe, self._committer.commit
        )
        self.policies = build_policies(providers, self._committer.commit, scribe)
        authorizer = guarded_authorizer(providers, self._faults)
        agents = Agents(journal, settings.cache_keys)
        grants = Grants(journal, clock)
        authority = Authority(authorizer, clock, self.policies, agents, grants)
        streams = Streams(journal, settings.cache_keys)
        aliases = Aliases(journal, streams, settings.cache_keys)
        self.usage = UsageCounter(journal, self._committer, clock, settings.usage_seconds)
        opened = OpenedKeys(journal, providers.roots, settings.cache_opened_keys)
        agent_tokens = self._build_agent_tokens(providers, streams, scribe, opened)
        bench = Bench(
            clock=clock,
            journal=journal,
            authority=authority,
            roots=providers.roots,
            opened=opened,
            streams=streams,
            aliases=aliases,
            agents=agents,
            agent_tokens=agent_tokens,
            grants=grants,
            usage=self.usage,
            destruction=Destruction(settings.destroy_days, 0 if self.settings.dev_mode else 7),
            dev_mode=self.settings.dev_mode,
        )
        self._refusals = Refusals(self._committer.commit, scribe)
        limits = build_limits(self.settings, clock, self._refusals)
        self.pipeline = Pipeline(
            bench=bench,
            streams=streams,
            aliases=aliases,
            masters=self._masters,
            authority=authority,
            committer=self._committer,
            scribe=scribe,
            observers=self._observers,
            stage=Stage(bench, self._faults, limits=limits),
            limits=limits,
        )
        self.key_set = KeySet(bench, clock)
        self._strangers = Strangers(self._committer, scribe, self._observers, clock)
        self.authentication = self._build_authentication(providers, agent_tokens)
        self._build_schedules(journal, streams)
        self._delivery = self._build_delivery(providers)
        self._board = HealthBoard(looked_after(providers, self.policies), self.version, clock)

    def _build_agent_tokens(
        self, providers: Providers, streams: Streams, scribe: Scribe, opened: OpenedKeys
    ) -> AgentTokens:
        key = AgentKey(
            streams=streams,
            roots=providers.roots,
            masters=self._masters,
            commit=self._committer.commit,
            scribe=scribe,
            clock=self._clock,
        )
        return AgentTokens(key, opened, self._clock)

    def _build_authentication(self, providers: Providers, tokens: AgentTokens) -> Authentication:
        authenticators = guarded_authenticators(providers, self._faults)
        agents = GuardedAuthenticator("agents", tokens, self._faults)
        return Authentication(authenticators, self._clock, self._strangers, agents)

    def _build_schedules(self, journal: Journal, streams: Streams) -> None:
        pause = self.settings.kernel.sweep_seconds
        self.sweep = Sweep(journal, self.pipeline, self._clock, pause)
        self.rotation = Rotation(
            journal=journal,
            pipeline=self.pipeline,
            streams=streams,
            usage=self.usage,
            clock=self._clock,
            seconds=pause,
        )
        self.usage.written = self.rotation.used

    def _build_delivery(self, providers: Providers) -> Delivery:
        required = {
            chosen.loaded.installed.name: chosen.required
            for chosen in self.settings.chosen("aegis.audit_sink")
        }
        feeds = tuple(
            SinkFeed(name, sink, providers.journal, required=required[name], faults=self._faults)
            for name, sink in providers.sinks.items()
        )
        backlog = self.settings.kernel.audit_backlog
        return Delivery(feeds, self._committer, self._observers, backlog)

    async def _open(self) -> None:
        for component in self.providers.components:
            await open_component(component, self.settings.kernel.open_seconds)
        await self._masters.open()
        await self.policies.open(is_trial=self._is_trial)
        self._delivery.start()
        self._tasks = [
            asyncio.create_task(self.sweep.run()),
            asyncio.create_task(self.rotation.run()),
            asyncio.create_task(self.usage.run()),
            asyncio.create_task(self._strangers.run()),
            asyncio.create_task(self._refusals.run()),
            asyncio.create_task(Pulse(self._observers, self._clock).run()),
        ]
        if not self._is_trial:
            self._tasks.append(asyncio.create_task(self.policies.run()))
        if self.providers.journal.shared:
            self._tasks.append(asyncio.create_task(self._masters.run()))
        self._serving = True

    async def _close_providers(self) -> None:
        for component in reversed(self.providers.components):
            await close_component(component)
        self._executor.close()

    def _committed(self, entries: int, seconds: float) -> None:
        self._delivery.wake()
        self._observers.committed(entries, seconds)
