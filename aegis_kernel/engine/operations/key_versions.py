"""Operations on the versions of a key: list them, and mark one as compromised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_kernel.domain import events
from aegis_kernel.domain.audit import Severity
from aegis_kernel.domain.errors import NotFoundError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation, permit_version
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages import CompromiseVersion, KeyAnswer, ListVersions
from aegis_kernel.engine.operations.require import require

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench


async def _compromise(
    bench: Bench, caller: Caller, key: Key | None, request: CompromiseVersion
) -> Effect:
    version = require(key).version(request.version)
    if version is None:
        raise NotFoundError(f"This key has no version {request.version}")
    permit_version(version, Operation.COMPROMISE)
    compromised = events.VersionCompromised(
        at=bench.now(), version=request.version, reason=request.reason
    )
    return Effect(
        events=(compromised,),
        key_version=request.version,
        severity=Severity.CRITICAL,
        reason=request.reason,
    )


async def _list(bench: Bench, caller: Caller, key: Key | None, request: ListVersions) -> Effect:
    return Effect()


COMPROMISE_VERSION: Declaration[CompromiseVersion, KeyAnswer] = Declaration(
    Operation.COMPROMISE_VERSION, _compromise, changes=True
)
LIST_VERSIONS: Declaration[ListVersions, KeyAnswer] = Declaration(
    Operation.LIST_VERSIONS, _list, recorded=False
)
