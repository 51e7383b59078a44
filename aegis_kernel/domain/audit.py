"""The audit record, and the one table of how audit spells each operation."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import PrincipalKind

SUCCESS = "Success"
INVALID_SIGNATURE = "InvalidSignature"
INVALID_MAC = "InvalidMac"

_RENAMED: Mapping[Operation, str] = {
    Operation.CREATE: "KeyCreated",
    Operation.ACTIVATE: "KeyActivated",
    Operation.DEACTIVATE: "KeyDeactivated",
    Operation.DISABLE: "KeyDisabled",
    Operation.ENABLE: "KeyEnabled",
    Operation.IMPORT: "KeyImported",
    Operation.SCHEDULE_DESTRUCTION: "KeyDestructionScheduled",
    Operation.CANCEL_DESTRUCTION: "KeyDestructionCancelled",
    Operation.DESTROY: "KeyDestroyed",
    Operation.ROTATE_MASTER: "MasterRotated",
    Operation.BACK_UP: "BackupCreated",
    Operation.RESTORE: "BackupRestored",
    Operation.ACTIVATE_POLICY: "PolicyActivated",
    Operation.UPDATE: "KeyUpdated",
    Operation.ANNOUNCE_ROTATION: "RotationDue",
    Operation.ISSUE_AGENT: "AgentIssued",
    Operation.REVOKE_AGENT: "AgentRevoked",
    Operation.REVOKE_AGENTS: "AgentsRevoked",
    Operation.CREATE_GRANT: "GrantCreated",
    Operation.RETIRE_GRANT: "GrantRetired",
}

AUDIT_OP: Mapping[Operation, str] = MappingProxyType(
    {operation: _RENAMED.get(operation, operation.value) for operation in Operation}
)


class Severity(StrEnum):
    CRITICAL = "Critical"


class Mode(StrEnum):
    """How a record's operation was not carried out: only tried, or answered from an earlier time."""

    DRY_RUN = "DryRun"
    REPLAY = "Replay"


class AuditRecord(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", gc=False
):
    """Who attempted what, and how it ended. Its encoded bytes are what the ledger keeps.

    `ts` is RFC 3339 UTC with milliseconds; `event_id` is a UUIDv7, fixed before the first try to
    commit. `outcome` is "Success", an error code, "InvalidSignature" or "InvalidMac". With a `mode`,
    nothing was done. `count` is how many the record stands for. `parent` is who issued the agent that
    asks, `agent_id` the agent that it is about. `grant_id` is the grant that it is about or that
    allowed it, `destination_grant_id` the one that allowed it for the second key. No context value,
    payload or material ever stands here.
    """

    ts: str
    actor: str
    actor_kind: PrincipalKind
    op: str
    key_id: KeyId | None = None
    outcome: str
    key_version: int | None = None
    alg: str | None = None
    severity: Severity | None = None
    reason: str | None = None
    previous_version: int | None = None
    current_version: int | None = None
    destination_key_id: KeyId | None = None
    destination_key_version: int | None = None
    event_id: str
    request_id: str | None = None
    source_ip: str | None = None
    parent: str | None = None
    agent_id: str | None = None
    grant_id: str | None = None
    destination_grant_id: str | None = None
    count: int | None = None
    mode: Mode | None = None
