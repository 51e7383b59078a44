"""The step in which an operation acts: bounded in time, and whatever it raises is a refusal."""

from __future__ import annotations

import logging

from aegis_kernel.domain.errors import AegisError, InternalError, UnavailableError
from aegis_kernel.engine.bench import Bench
from aegis_kernel.engine.deadline import Deadline
from aegis_kernel.engine.faults import ANYTHING, Faults
from aegis_kernel.engine.job import Job, request_of
from aegis_kernel.engine.limits import Limits
from aegis_kernel.engine.operations.declaration import Effect
from aegis_kernel.engine.streams import View

# Long enough for an RSA-4096 key that waits behind others for a thread.
ACT_SECONDS = 30.0

_log = logging.getLogger("aegis")


class Stage:
    """Lets operations act. A root of trust that does not answer in 30 s is away."""

    def __init__(
        self,
        bench: Bench,
        faults: Faults,
        seconds: float = ACT_SECONDS,
        limits: Limits | None = None,
    ) -> None:
        self._bench = bench
        self._faults = faults
        self._deadline = Deadline(seconds)
        self._limits = limits

    async def act(self, job: Job, view: View) -> Effect:
        """Return the effect. Raises AegisError, also for what no operation should raise."""
        if self._limits is not None:
            self._limits.admit_work(job, view.key)
        request = job.request if view.further is None else request_of(job, view)
        acting = job.declaration.act(self._bench, job.caller, view.key, request)
        try:
            return await self._deadline.keep(acting)
        except AegisError:
            raise
        except TimeoutError as error:
            root = view.key.versions[-1].root_of_trust if view.key is not None else "of a new key"
            self._faults.note("root_of_trust", root, error)
            raise UnavailableError(
                "The root of trust does not answer; try again in a moment", reason="deadline"
            ) from error
        except ANYTHING as error:
            # SystemExit is a plugin's: nothing of ours ends the process from within a request.
            _log.exception("%s failed, request %s", job.declaration.name, job.caller.request_id)
            raise InternalError("Unexpected error", reason=type(error).__name__) from error
