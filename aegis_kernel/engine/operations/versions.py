"""Which version made this: tried newest first, and only so many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.key import Key, KeyVersion
from aegis_kernel.domain.lifecycle import permit_version
from aegis_kernel.spi.root_of_trust import OpenKey

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench

# A verification costs 20 to 90 µs of the event loop for each version that it tries.
MAX_VERSIONS_TRIED = 16


async def find_version(
    bench: Bench,
    key: Key,
    number: int | None,
    made: Callable[[OpenKey], Awaitable[bool]],
    what: str,
) -> int | None:
    """Return the version for which `made` is true, or None; only version `number` if it is given.

    Raises BadRequestError, which names `what`, when no version that may process has that number, and
    rather than a false None when older versions were not tried.
    """
    candidates = _candidates(key, number)
    for version in candidates[:MAX_VERSIONS_TRIED]:
        opened = await bench.open(key, version.number)
        if await made(opened.key):
            return version.number
    if len(candidates) > MAX_VERSIONS_TRIED:
        raise BadRequestError(
            f"None of the newest {MAX_VERSIONS_TRIED} versions made this {what}; "
            "name an older one with keyVersion"
        )
    return None


def _candidates(key: Key, number: int | None) -> Sequence[KeyVersion]:
    if number is None:
        return [version for version in reversed(key.versions) if version.is_processable]
    return [processable_version(key, number)]


def processable_version(key: Key, number: int) -> KeyVersion:
    """Return version `number`. Raises BadRequestError when there is none, and
    IllegalOperationError when it is Compromised or was never activated.
    """
    version = key.version(number)
    if version is None:
        raise BadRequestError(f"keyVersion must be a version, 1 to {key.current_version}")
    permit_version(version)
    return version
