"""Rate limits: how much one principal may ask of this process, for each class of cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from aegis_kernel.domain.errors import TooManyRequestsError
from aegis_kernel.domain.key import Key
from aegis_kernel.engine.cache import BoundedCache
from aegis_kernel.engine.costs import CostClass, extra_cost, requests_in
from aegis_kernel.engine.job import Job
from aegis_kernel.engine.operations.declaration import Caller
from aegis_kernel.engine.refusals import Refusals
from aegis_kernel.engine.settings import Settings
from aegis_kernel.spi.context import Clock

# More than a process serves in the time of a usual burst: what is forgotten had filled up again.
MOST_BUCKETS = 100_000

_REACHED: Mapping[CostClass, str] = MappingProxyType(
    {
        CostClass.REQUESTS: "That was all you may ask for",
        CostClass.HEAVY: "That was all the work with costly keys that you may ask for",
        CostClass.MAKING: "That was all the keys that you may have made",
    }
)

# Of a unit, since times are floats: else the last unit of a burst would be refused now and then.
_ROUNDING = 0.01


class Rate(msgspec.Struct, frozen=True, gc=False):
    """So many units a second on average, and at once as many as come in `burst_seconds`."""

    per_second: float
    burst_seconds: float


class LimitReachedError(TooManyRequestsError):
    """Refused here, and counted here: the pipeline makes no record of each."""


class Buckets:
    """A token bucket for each name, all of one rate; at most so many, the last used are kept.

    Over any t seconds a name gets at most `per_second` × (burst_seconds + t) units. A request for
    more than a whole burst gets it from a full bucket, and what it overdrew is waited off.
    """

    def __init__(self, rate: Rate, clock: Clock, most: int = MOST_BUCKETS) -> None:
        self._per_second = rate.per_second
        self._burst = rate.per_second * rate.burst_seconds + _ROUNDING
        self._monotonic = clock.monotonic
        self._began = clock.monotonic()
        # When each is full again, in units: all that a bucket is (the generic cell rate algorithm).
        self._full_at: BoundedCache[str, float] = BoundedCache(most)

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, name: str, units: int) -> float:
        """Take the units and return 0, or take nothing and return the seconds until there are enough."""
        now = (self._monotonic() - self._began) * self._per_second
        full_at = self._full_at.get(name)
        if full_at is None or full_at < now:
            full_at = now
        missing = full_at + units - now - self._burst
        if missing > 0 and full_at > now:
            return min(missing, full_at - now) / self._per_second
        self._full_at.put(name, full_at + units)
        return 0.0


class Limits:
    """Owned by the kernel; exists only where something is limited. An agent's limit is that of the
    principal it acts for."""

    def __init__(self, rates: Mapping[CostClass, Rate], clock: Clock, refusals: Refusals) -> None:
        self._buckets = {name: Buckets(rate, clock) for name, rate in rates.items()}
        self._requests = self._buckets.get(CostClass.REQUESTS)
        self._refusals = refusals

    def admit(self, job: Job) -> None:
        """Count a request, and each item of a batch. Raises TooManyRequestsError.

        It asks for no key, so that what is refused says nothing of one, and reads nothing.
        """
        if self._requests is None or job.declaration.by_kernel:
            return
        seconds = self._requests.take(_payer(job.caller), requests_in(job.request))
        if seconds:
            self._refuse(job, CostClass.REQUESTS, seconds)

    def admit_work(self, job: Job, key: Key | None) -> None:
        """Count what acting will cost, if it is dear. Raises TooManyRequestsError."""
        extra = extra_cost(job.declaration.name, key, job.request)
        if extra is None or job.declaration.by_kernel:
            return
        cost_class, units = extra
        buckets = self._buckets.get(cost_class)
        seconds = buckets.take(_payer(job.caller), units) if buckets is not None else 0.0
        if seconds:
            self._refuse(job, cost_class, seconds)

    def _refuse(self, job: Job, cost_class: CostClass, seconds: float) -> None:
        self._refusals.note(job.caller, job.declaration.name)
        wait = max(1, math.ceil(seconds))
        raise LimitReachedError(
            f"{_REACHED[cost_class]} for now; try again in {wait} s, "
            f"or have AEGIS_RATE_LIMIT_{cost_class.upper()} raised",
            retry_after_seconds=wait,
        )


def build_limits(settings: Settings, clock: Clock, refusals: Refusals) -> Limits | None:
    """Return the limits that the settings name; None where nothing is limited, as in dev mode."""
    if settings.dev_mode:
        return None
    kernel = settings.kernel
    per_second = {
        CostClass.REQUESTS: kernel.rate_limit_requests,
        CostClass.HEAVY: kernel.rate_limit_heavy,
        CostClass.MAKING: kernel.rate_limit_making,
    }
    burst = kernel.rate_limit_burst_seconds
    rates = {name: Rate(units, burst) for name, units in per_second.items() if units}
    return Limits(rates, clock, refusals) if rates else None


def _payer(caller: Caller) -> str:
    standing = caller.standing
    # A token that is worth nothing any more uses up nobody's limit but its own.
    if standing is None or standing.void is not None:
        return caller.principal.subject
    return standing.principal.subject
