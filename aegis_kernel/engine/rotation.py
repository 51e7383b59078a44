"""Carries out rotation policies: announces rotations, and rotates keys whose period has ended."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from aegis_kernel.domain.errors import AegisError
from aegis_kernel.domain.key import Key, KeyId
from aegis_kernel.domain.rotation import is_used_up, next_notice, next_rotation
from aegis_kernel.engine.operations.messages import Transition
from aegis_kernel.engine.operations.rotation import ANNOUNCE_ROTATION, ROTATE_BY_POLICY
from aegis_kernel.engine.patrol import Patrol
from aegis_kernel.engine.pipeline import Pipeline
from aegis_kernel.engine.schedule import system_caller
from aegis_kernel.engine.streams import Streams
from aegis_kernel.engine.usage import UsageCounter
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.journal import Journal

_log = logging.getLogger("aegis")


class Rotation:
    """Acts at the second sighting, `seconds` of monotonic time after the first; never early.

    However many periods a server was away for, it rotates once.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        pipeline: Pipeline,
        streams: Streams,
        usage: UsageCounter,
        clock: Clock,
        seconds: float,
    ) -> None:
        self._journal = journal
        self._pipeline = pipeline
        self._streams = streams
        self._usage = usage
        self._seconds = seconds
        self._rotations = Patrol(journal, clock, seconds, _is_at_its_end)
        self._notices = Patrol(journal, clock, seconds, _is_to_be_announced)
        self._caller = system_caller()

    async def run(self) -> None:
        """Look for due rotations until cancelled."""
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.once()
            except Exception:  # noqa: BLE001 - tried again at the next turn
                _log.warning(
                    "due rotations were not found; looked for again in %s s", self._seconds
                )

    async def once(self) -> int:
        """Look once; return how many keys were rotated."""
        if await self._journal.lease("rotation") is None:
            return 0
        for key_id in await self._notices.ripe():
            await self._announce(key_id)
        return sum([await self._rotate(key_id) for key_id in await self._rotations.ripe()])

    async def used(self, key_id: KeyId) -> None:
        """Rotate the key if its current version has protected as often as its policy allows.

        Called once the counts are written. No lease is needed: whoever is second finds a version
        that has not been used.
        """
        key = (await self._streams.view(key_id)).key
        if key is None or key.rotation_policy is None:
            return
        if is_used_up(key, await self._usage.protections(key_id, key.current_version)):
            await self._rotate(key_id)

    async def _rotate(self, key_id: KeyId) -> bool:
        try:
            await self._pipeline.run(ROTATE_BY_POLICY, self._caller, Transition(), key_id)
        except AegisError as error:
            _log.warning("key %s is due for rotation, but: %s", key_id, error.message)
            return False
        return True

    async def _announce(self, key_id: KeyId) -> None:
        try:
            await self._pipeline.run(ANNOUNCE_ROTATION, self._caller, Transition(), key_id)
        except AegisError as error:
            _log.warning("the rotation of key %s is near, but: %s", key_id, error.message)


def _is_at_its_end(key: Key, moment: datetime) -> bool:
    rotation = next_rotation(key)
    return rotation is not None and rotation <= moment


def _is_to_be_announced(key: Key, moment: datetime) -> bool:
    notice = next_notice(key)
    # A rotation that is due itself need not be announced any more.
    return notice is not None and notice <= moment and not _is_at_its_end(key, moment)
