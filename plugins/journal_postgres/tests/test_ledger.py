"""The ledger in months: whole months go, and only what every sink has."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import psycopg
import pytest

from aegis_kernel import Lease, Record
from aegis_kernel.testing.journal_entries import use, verdicts


def _record(moment: datetime) -> Record:
    milliseconds = int(moment.timestamp() * 1000)
    rest = uuid.uuid4().int & ((1 << 80) - 1)
    number = (milliseconds << 80) | (rest & ~(0xF << 76) & ~(0x3 << 62)) | (7 << 76) | (2 << 62)
    return Record(str(uuid.UUID(int=number)), b"{}")


def _drop_all(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as owner:
        row = owner.execute(
            "SELECT aegis.drop_ledger_before(now() + interval '1 month')"
        ).fetchone()
        assert row is not None
        return int(row[0])


async def test_a_month_is_dropped_once_every_sink_has_it(journal, postgres):
    old, kept = datetime.now(UTC), datetime(2001, 1, 1, tzinfo=UTC)
    for moment in (old, kept, old):
        assert verdicts(await journal.commit([use(_record(moment), key_a=0)])) == ["committed"]
    lease = await journal.lease("delivery")
    assert isinstance(lease, Lease)
    assert await journal.advance("stdout", 2, lease)
    with pytest.raises(psycopg.errors.RaiseException, match="not reached every sink"):
        _drop_all(postgres)
    assert len(await journal.ledger(0, 9)) == 3
    assert await journal.advance("stdout", 3, lease)
    assert _drop_all(postgres) == 3
    # The default partition is never dropped; what is gone leaves a gap that is no error.
    assert [found.position for found in await journal.ledger(0, 9)] == [2]
    await journal.commit([use(_record(kept), key_a=0)])
    assert [found.position for found in await journal.ledger(2, 9)] == [4]
    assert await journal.head() == 4
