"""The rotation of master keys: a new one seals at once, every row goes over, the old one retires.

Each step is durable before the next and can be done again, so that a rotation cut off anywhere is
taken up where it stands: the new master key is in its place before anything is sealed under it, the
stream `system/master` says so before the first row goes over, and says that the old one is needed no
more before that is destroyed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from aegis_kernel.domain.errors import ConflictError, InternalError, UnavailableError
from aegis_kernel.engine.masters import Commit, Masters
from aegis_kernel.engine.material_rows import BoundRow, material_pages
from aegis_kernel.spi.journal import Entry, Journal, ReplaceMaterial
from aegis_kernel.spi.root_of_trust import RootOfTrust
from aegis_kernel.spi.sealing import MaterialKeeper

_ATTEMPTS = 8
_RUNNING = "A rotation of the master key is running"
UNKNOWN = "unknown"


class MasterStatus(msgspec.Struct, frozen=True, rename="camel"):
    """The master keys of one root. `rows` is {fingerprint: rows sealed under it}.

    Rows that no master key at hand has sealed are counted as `unknown`.
    """

    root: str
    newest: str
    older: tuple[str, ...]
    rows: dict[str, int]
    under_way: bool


class Rotated(msgspec.Struct, frozen=True, rename="camel"):
    """What a rotation came to: the newest master key, those that retired, the rows that went over."""

    root: str
    newest: str
    retired: tuple[str, ...]
    rows: int


class MasterRotation:
    """Rotates the master keys of those roots that keep any; one rotation at a time."""

    def __init__(
        self, journal: Journal, roots: Mapping[str, RootOfTrust], masters: Masters, commit: Commit
    ) -> None:
        self._journal = journal
        self._keepers = keepers_of(roots)
        self._masters = masters
        self._commit = commit
        self._busy = asyncio.Lock()

    async def status(self) -> tuple[MasterStatus, ...]:
        """Return how it stands, counting every row. Raises UnavailableError if there is no keeper."""
        keepers = self._required()
        await self._masters.look_again()
        rows = await rows_by_master(self._journal, keepers)
        return tuple(
            MasterStatus(
                root=name,
                newest=keeper.fingerprints[0],
                older=self._older(name, keeper),
                rows=rows[name],
                under_way=bool(self._older(name, keeper)),
            )
            for name, keeper in self._keepers.items()
        )

    async def rotate(self, asked_by: str) -> tuple[Rotated, ...]:
        """Rotate every keeper's master key, or finish the rotation that is under way.

        Raises ConflictError while another rotation runs, and InternalError when a row does not open
        or does not go over: the old master key then stays.
        """
        keepers = self._required()
        if self._busy.locked():
            raise ConflictError(_RUNNING)
        async with self._busy:
            await self._lead()
            await self._masters.look_again()
            return tuple(
                [await self._rotate(name, keeper, asked_by) for name, keeper in keepers.items()]
            )

    async def _rotate(self, name: str, keeper: MaterialKeeper, asked_by: str) -> Rotated:
        if not self._older(name, keeper):
            await keeper.begin_rotation()
        await self._adopt(asked_by)
        rows = await self._rewrap_all(name, keeper)
        await self._require_none_left(name, keeper)
        retired = self._older(name, keeper)
        await self._say_retired(name, retired, rows)
        await keeper.retire()
        return Rotated(name, keeper.fingerprints[0], retired, rows)

    async def _lead(self) -> None:
        if await self._journal.lease("master rotation") is None:
            raise ConflictError(_RUNNING)

    async def _adopt(self, asked_by: str) -> None:
        for _ in range(_ATTEMPTS):
            if await self._masters.adopt(asked_by):
                return
            await self._masters.reload()
        raise UnavailableError("The journal's master keys are changing too fast; try again")

    async def _say_retired(self, name: str, retired: Sequence[str], rows: int) -> None:
        for _ in range(_ATTEMPTS):
            if await self._masters.retire(name, retired, rows):
                return
            await self._masters.refresh()
        raise UnavailableError("The journal's master keys are changing too fast; try again")

    async def _rewrap_all(self, name: str, keeper: MaterialKeeper) -> int:
        rewrapped = 0
        async for page in material_pages(self._journal):
            await self._lead()
            changes = [
                change
                for bound in page
                if bound.material.root_of_trust == name
                and (change := await _rewrap(keeper, bound)) is not None
            ]
            if changes:
                await self._commit(Entry(expects={}, material=tuple(changes)))
                await self._require_readable(name, keeper, page)
            rewrapped += len(changes)
            # Requests come first: a rotation has time.
            await asyncio.sleep(0)
        return rewrapped

    async def _require_readable(
        self, name: str, keeper: MaterialKeeper, page: Sequence[BoundRow]
    ) -> None:
        """Read each row back: it opens under the newest master key, or is gone for good."""
        for bound in page:
            stored = await self._journal.material(bound.row.key_id, bound.row.version)
            if stored is None or stored.root_of_trust != name or bound.binding is None:
                continue
            if await keeper.rewrap(stored, bound.binding) is not None:
                raise InternalError(f"The material of {bound} did not go over")

    async def _require_none_left(self, name: str, keeper: MaterialKeeper) -> None:
        """Look at every row once more before anything is destroyed."""
        left = (await rows_by_master(self._journal, {name: keeper}))[name]
        left.pop(keeper.fingerprints[0], None)
        if left:
            raise InternalError(
                f"{sum(left.values())} rows of {name} are not under its newest master key; "
                "the older one stays"
            )

    def _older(self, name: str, keeper: MaterialKeeper) -> tuple[str, ...]:
        needed = self._masters.known.needed(name) | set(keeper.fingerprints)
        return tuple(sorted(needed - {keeper.fingerprints[0]}))

    def _required(self) -> Mapping[str, MaterialKeeper]:
        if not self._keepers:
            raise UnavailableError("No root of trust in AEGIS_ROT_KIND has a master key to rotate")
        return self._keepers


def keepers_of(roots: Mapping[str, RootOfTrust]) -> Mapping[str, MaterialKeeper]:
    """Return those of the roots that seal material under a master key of their own."""
    return {name: root for name, root in roots.items() if isinstance(root, MaterialKeeper)}


async def rows_by_master(
    journal: Journal, keepers: Mapping[str, MaterialKeeper]
) -> dict[str, dict[str, int]]:
    """Return {root: {fingerprint: rows}}, counting every row of the keepers."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in keepers}
    async for page in material_pages(journal):
        for bound in page:
            keeper = keepers.get(bound.material.root_of_trust)
            if keeper is not None:
                sealer = bound.binding and keeper.master_of(bound.material, bound.binding)
                counts[bound.material.root_of_trust][sealer or UNKNOWN] += 1
        await asyncio.sleep(0)
    return {name: dict(counter) for name, counter in counts.items()}


async def _rewrap(keeper: MaterialKeeper, bound: BoundRow) -> ReplaceMaterial | None:
    if bound.binding is None:
        raise InternalError(f"The material of {bound} belongs to no key; the master keys stay")
    try:
        rewrapped = await keeper.rewrap(bound.material, bound.binding)
    except InternalError as error:
        raise InternalError(
            f"The material of {bound} does not open; the master keys stay", reason=error.message
        ) from error
    if rewrapped is None:
        return None
    return ReplaceMaterial(bound.row.key_id, bound.row.version, bound.material, rewrapped)
