"""Writes audit records: their time, their id, their exact bytes."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import msgspec

from aegis_kernel.domain.audit import AUDIT_OP, AuditRecord
from aegis_kernel.domain.errors import UnauthorizedError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import SYSTEM_SUBJECT, Principal, PrincipalKind
from aegis_kernel.engine.operations.declaration import Caller, Effect
from aegis_kernel.spi.context import Clock
from aegis_kernel.spi.journal import Record

_encode = msgspec.json.Encoder().encode


class Scribe:
    """Turns outcomes into records. It formats each second once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._second_text = ""

    def new_event_id(self) -> str:
        """Return a UUIDv7 (RFC 9562 §5.7) of this millisecond."""
        time_hex = f"{int(self._clock.time() * 1000):012x}"
        noise = os.urandom(10).hex()
        variant = "89ab"[int(noise[3], 16) & 3]
        return f"{time_hex[:8]}-{time_hex[8:]}-7{noise[:3]}-{variant}{noise[4:7]}-{noise[7:19]}"

    def timestamp(self) -> str:
        """Return now as RFC 3339 UTC with milliseconds."""
        milliseconds = int(self._clock.time() * 1000)
        second, rest = divmod(milliseconds, 1000)
        if second != self._second:
            self._second = second
            moment = datetime.fromtimestamp(second, UTC)
            self._second_text = moment.strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._second_text}.{rest:03d}Z"

    def effect(
        self,
        event_id: str,
        operation: Operation,
        caller: Caller,
        key_id: KeyId | None,
        effect: Effect,
    ) -> Record:
        """Return the record of an operation that was carried out."""
        body = _encode(
            AuditRecord(
                ts=self.timestamp(),
                actor=caller.principal.subject,
                actor_kind=caller.principal.kind,
                op=AUDIT_OP[operation],
                key_id=effect.key_id or key_id,
                outcome=effect.outcome,
                key_version=effect.key_version,
                alg=effect.alg,
                severity=effect.severity,
                reason=effect.reason,
                previous_version=effect.previous_version,
                current_version=effect.current_version,
                destination_key_id=effect.destination_key_id,
                destination_key_version=effect.destination_key_version,
                agent_id=effect.agent_id,
                grant_id=effect.grant_id,
                destination_grant_id=effect.destination_grant_id,
                parent=_parent(caller),
                event_id=event_id,
                request_id=caller.request_id,
                source_ip=caller.source_ip,
                count=effect.count,
                mode=effect.mode,
            )
        )
        return Record(event_id, body)

    def own(self, operation: Operation, reason: str, key_id: KeyId | None = None) -> Record:
        """Return the record of what the kernel did itself, outside the pipeline."""
        event_id = self.new_event_id()
        kernel = Caller(Principal(subject=SYSTEM_SUBJECT, kind=PrincipalKind.SERVICE))
        return self.effect(event_id, operation, kernel, key_id, Effect(reason=reason))

    def stranger(self, source_ip: str | None, request_id: str | None, reason: str | None) -> Record:
        """Return the record of one failed authentication."""
        return self._unknown(source_ip=source_ip, request_id=request_id, reason=reason)

    def strangers(self, count: int) -> Record:
        """Return the record of `count` failed authentications together."""
        return self._unknown(count=count)

    def _unknown(self, **known: Any) -> Record:
        event_id = self.new_event_id()
        record = AuditRecord(
            ts=self.timestamp(),
            actor="unknown",
            actor_kind=PrincipalKind.UNKNOWN,
            op=AUDIT_OP[Operation.AUTHENTICATE],
            outcome=UnauthorizedError.code,
            event_id=event_id,
            **known,
        )
        return Record(event_id, _encode(record))


def _parent(caller: Caller) -> str | None:
    """Return who issued the agent that asks, None for anybody else."""
    standing = caller.standing
    return standing.chain[0].parent if standing is not None and standing.chain else None
