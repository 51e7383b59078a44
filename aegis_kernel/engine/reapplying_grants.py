"""Grants that were retired or used after a backup: a restore brings back neither them nor their uses.

A grant that was created after the backup is unknown to the copy, and so allows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from aegis_kernel.domain import events
from aegis_kernel.domain.errors import InternalError
from aegis_kernel.domain.grant import Grant, GrantUsed, GrantUses
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.engine.grants import append_uses, decode_uses
from aegis_kernel.engine.records import Scribe
from aegis_kernel.spi.journal import Conflict, Entry, Journal


def retirements(then: Key, now: Key, at: datetime) -> Iterator[events.GrantRetired]:
    """Yield the retirement of each grant of `then` that has been retired, or is kept no more."""
    for grant in then.grants:
        later = now.grant(grant.id)
        if grant.retired_at is None and (later is None or later.retired_at is not None):
            ended = later.retired_at if later is not None else None
            yield events.GrantRetired(at=ended or at, id=grant.id, reason="before the restore")


async def reapply_uses(
    restored: Journal, newer: Journal, key: Key, scribe: Scribe
) -> tuple[Grant, ...]:
    """Count in `restored` the uses that `newer` has of its grants; return those that had more."""
    done = list[Grant]()
    for grant in key.grants:
        if grant.max_uses is not None and await _reapply(restored, newer, key, grant, scribe):
            done.append(grant)
    return tuple(done)


async def _reapply(
    restored: Journal, newer: Journal, key: Key, grant: Grant, scribe: Scribe
) -> bool:
    then, now = await restored.load(grant.stream), await newer.load(grant.stream)
    known = then.sequence if then is not None else 0
    if now is None or now.sequence <= known:
        return False
    uses = decode_uses(then.snapshot) if then is not None else GrantUses(key_id=key.id)
    since = (await newer.history(grant.stream))[known:]
    append = append_uses(
        uses, grant.stream, *[msgspec.json.decode(event, type=GrantUsed) for event in since]
    )
    said = f"uses of grant {grant.id}; reapplied on restore"
    record = scribe.own(Operation.RESTORE, said, key.id)
    entry = Entry(expects={grant.stream: known}, appends=(append,), records=(record,))
    (verdict,) = await restored.commit([entry])
    if isinstance(verdict, Conflict):
        raise InternalError("The copy being restored has changed")
    return True
