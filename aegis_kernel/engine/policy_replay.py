"""What other policies would have decided for the ledger of the last days, as a diff of decisions.

The ledger is read in pages, and memory stays bounded. A record does not hold all that a decision
depended on: what cannot be told for that reason is counted, never guessed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from aegis_kernel.domain.audit import AUDIT_OP, AuditRecord
from aegis_kernel.domain.errors import (
    BootError,
    KeyNotFoundError,
    PermissionDeniedError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)
from aegis_kernel.domain.events import Event, fold
from aegis_kernel.domain.key import Key, KeyId, key_stream
from aegis_kernel.domain.lifecycle import LAW, Operation
from aegis_kernel.domain.principal import SYSTEM_SUBJECT, Principal, PrincipalKind
from aegis_kernel.engine.cache import BoundedCache
from aegis_kernel.spi.authorizer import Authorizer, Circumstances, Decision
from aegis_kernel.spi.journal import Journal, LedgerRecord
from aegis_kernel.spi.policy import Foreseen, PolicyReader, PolicySet, Question

MOST_CHANGES = 10_000
_PAGE_RECORDS = 500
_KEPT_HISTORIES = 1_000
# Records are committed in an order that may differ from their times by a little.
_SLACK = timedelta(minutes=10)

# Those that bind to an encryption context, which no record holds.
_BINDING = frozenset(
    {
        Operation.ENCRYPT,
        Operation.DECRYPT,
        Operation.WRAP,
        Operation.UNWRAP,
        Operation.REENCRYPT,
        Operation.GENERATE_DATA_KEY,
        Operation.GENERATE_DATA_KEY_WRAPPED_ONLY,
        Operation.GENERATE_DATA_KEY_PAIR,
        Operation.GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY,
    }
)
_OPERATIONS: Mapping[str, Operation] = {said: name for name, said in AUDIT_OP.items()}
# Ended before anybody was asked whether it may.
_UNDECIDED = frozenset(
    {
        KeyNotFoundError.code,
        TooManyRequestsError.code,
        UnauthorizedError.code,
        UnavailableError.code,
    }
)
_WAS_DENIED = "was denied, would be allowed"
_WAS_ALLOWED = "was allowed, would be denied"

_decode_record = msgspec.json.Decoder(AuditRecord).decode
_decode_event = msgspec.json.Decoder(Event).decode


class Change(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Decisions that would differ, all for the same reason."""

    change: str
    principal: str
    operation: Operation
    key_id: KeyId | None
    reason: str
    count: int = 0


class Replayed(msgspec.Struct, frozen=True, rename="camel"):
    """What a replay came to. `same`, `unknown` and the changes count records of decisions."""

    digest: str
    since: str
    records: int
    same: int
    changes: tuple[Change, ...]
    left_out: int
    unknown: dict[str, int]


class PolicyReplay:
    """One replay of `policies` over a journal. `groups` is {subject: its groups}, where known."""

    def __init__(
        self, journal: Journal, policies: PolicySet, groups: Mapping[str, frozenset[str]]
    ) -> None:
        self._journal = journal
        self._policies = policies
        self._groups = groups
        self._histories: BoundedCache[KeyId, tuple[Event, ...]] = BoundedCache(_KEPT_HISTORIES)
        self._changes: Counter[Change] = Counter()
        self._unknown: Counter[str] = Counter()
        self._records = self._same = self._left_out = 0

    async def run(self, since: datetime) -> Replayed:
        """Return what would differ since then, up to what is committed now."""
        head = await self._journal.head()
        after = await self._before(since - _SLACK, head)
        while after < head and (page := await self._journal.ledger(after, _PAGE_RECORDS)):
            for row in page:
                await self._weigh(_decode_record(row.body), since)
                await asyncio.sleep(0)  # a server that serves meanwhile goes on serving
            after = page[-1].position
        changes = (
            msgspec.structs.replace(change, count=count)
            for change, count in self._changes.most_common()
        )
        return Replayed(
            digest=self._policies.digest,
            since=since.isoformat(),
            records=self._records,
            same=self._same,
            changes=tuple(changes),
            left_out=self._left_out,
            unknown=dict(self._unknown.most_common()),
        )

    async def _before(self, moment: datetime, head: int) -> int:
        """Return a position before the first record of `moment` or later."""
        low, high = 0, head
        while low < high:
            middle = (low + high) // 2
            page = await self._journal.ledger(middle, 1)
            if not page or _time_of(page[0]) >= moment:
                high = middle
            else:
                low = middle + 1
        return low

    async def _weigh(self, record: AuditRecord, since: datetime) -> None:
        is_asked = record.actor != SYSTEM_SUBJECT and record.actor_kind is not PrincipalKind.UNKNOWN
        if not is_asked or record.outcome in _UNDECIDED or _moment(record.ts) < since:
            return
        self._records += 1
        foreseen = await self._foresee(record)
        if foreseen.decision is None:
            self._unknown[foreseen.lacks or "something else"] += 1
        elif _is_same(record, foreseen.decision):
            self._same += 1
        else:
            self._note(record, foreseen.decision)

    def _note(self, record: AuditRecord, decision: Decision) -> None:
        change = Change(
            change=_WAS_DENIED if decision.allowed else _WAS_ALLOWED,
            principal=f"{record.actor_kind}:{record.actor}",
            operation=_OPERATIONS[record.op],
            key_id=record.key_id,
            reason=decision.reason,
        )
        if change in self._changes or len(self._changes) < MOST_CHANGES:
            self._changes[change] += 1
        else:
            self._left_out += 1

    async def _foresee(self, record: AuditRecord) -> Foreseen:
        """Return the decision of the worst of the keys that the record names."""
        operation = _OPERATIONS.get(record.op)
        if operation is None:
            return Foreseen(None, "the operation")
        if record.parent is not None:
            return Foreseen(None, "what an agent's principal was")
        found = Foreseen(None, "the key")
        async for key in self._keys(record, operation):
            if key is None and LAW[operation].states:
                return Foreseen(None, "the key")
            found = self._policies.foresee(self._question(record, operation, key))
            if found.decision is None or not found.decision.allowed:
                break
        return found

    async def _keys(self, record: AuditRecord, operation: Operation) -> AsyncIterator[Key | None]:
        if not LAW[operation].states:
            yield None
            return
        yield await self._key(record.key_id, record.event_id)
        if record.destination_key_id is not None:
            yield await self._key(record.destination_key_id, record.event_id)

    def _question(self, record: AuditRecord, operation: Operation, key: Key | None) -> Question:
        groups = self._groups.get(record.actor)
        return Question(
            principal=Principal(
                subject=record.actor, kind=record.actor_kind, groups=groups or frozenset()
            ),
            operation=operation,
            key=key,
            circumstances=Circumstances(
                at=_moment(record.ts).timestamp(), source_ip=record.source_ip
            ),
            knows_groups=groups is not None,
            knows_contexts=operation not in _BINDING,
        )

    async def _key(self, key_id: KeyId | None, event_id: str) -> Key | None:
        """Return the key as it was when the request began, which its record's id says."""
        if key_id is None:
            return None
        began = int(event_id.replace("-", "")[:12], 16)
        key: Key | None = None
        for event in _until(await self._history(key_id), began):
            key = fold(key, event)
        return key

    async def _history(self, key_id: KeyId) -> tuple[Event, ...]:
        known = self._histories.get(key_id)
        if known is None:
            stored = await self._journal.history(key_stream(key_id))
            known = tuple(_decode_event(event) for event in stored)
            self._histories.put(key_id, known)
        return known


async def replay(
    journal: Journal,
    authorizer: Authorizer,
    *,
    path: Path | None,
    since: datetime,
    groups: Mapping[str, frozenset[str]],
) -> Replayed:
    """Replay the policies at `path`, by default the configured ones.

    Raises BootError where they are bad, or where the authorizer has no policies.
    """
    if not isinstance(authorizer, PolicyReader):
        raise BootError("the authorizer in AEGIS_AUTHZ_KIND has no policies; cedar has")
    return await PolicyReplay(journal, await authorizer.read(path), groups).run(since)


def _is_same(record: AuditRecord, decision: Decision) -> bool:
    """Return whether the request would have ended as it did. A grant lifts what is not final."""
    was_allowed = record.outcome != PermissionDeniedError.code
    has_grant = record.grant_id is not None or record.destination_grant_id is not None
    would_be_lifted = was_allowed and has_grant and not decision.final
    return decision.allowed is was_allowed or would_be_lifted


def _until(events: tuple[Event, ...], began: int) -> Iterator[Event]:
    for number, event in enumerate(events):
        # A key is used in the very millisecond of its creation, never before it.
        if number and event.at.timestamp() * 1000 >= began:
            return
        yield event


def _time_of(row: LedgerRecord) -> datetime:
    return _moment(_decode_record(row.body).ts)


def _moment(ts: str) -> datetime:
    return datetime.fromisoformat(ts).astimezone(UTC)
