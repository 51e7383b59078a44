"""The schema that policies are checked against: made from the kernel's own operations."""

from __future__ import annotations

import json
from collections.abc import Mapping

from aegis_kernel import (
    LAW,
    PROCESS,
    PROTECT,
    Algorithm,
    KeyState,
    Operation,
    PrincipalKind,
)

# Whoever failed to authenticate, and whatever acts for another, is no principal of a policy.
PRINCIPAL_TYPES: Mapping[PrincipalKind, str] = {
    PrincipalKind.HUMAN: "Human",
    PrincipalKind.SERVICE: "Service",
}
SERVER = "aegis"
_READS = ("Get", "List")

_TYPES = """\
// Who asks. A principal's id is its subject, and its groups are its parents.
entity Group;
entity Human, Service in [Group] { subject: String };

// What is asked for: a key, by its id; or the server, where an operation names no key.
entity Key {
  owner: String,
  name: String,
  algorithm: Algorithm,
  state: State,
  disabled: Bool,
} tags String;
entity Server;
entity Algorithm enum [%(algorithms)s];
entity State enum [%(states)s];

// The request's encryption context: hasTag("tenant"), getTag("tenant").
entity EncryptionContext tags String;

type Context = {
  now: datetime,                          // whole seconds, UTC
  weekday: Long,                          // 1 is Monday, 7 is Sunday, UTC
  sourceIp?: ipaddr,
  encryptionContext: EncryptionContext,
  encryptionContextKeys: Set<String>,
  belongsTo?: String,                     // whom an agent acts for, where the operation is about agents
};

action "read", "use", "manage";
action "protect", "process" in [Action::"use"];
"""


def schema_text() -> str:
    """Return the schema in Cedar's own syntax."""
    head = _TYPES % {"algorithms": _quoted(Algorithm), "states": _quoted(KeyState)}
    return head + "\n" + "".join(_action(operation) for operation in Operation)


def groups_of(operation: Operation) -> tuple[str, ...]:
    """Return the action groups that hold an operation; none for one that names no key."""
    if operation in PROTECT:
        return ("protect",)
    if operation in PROCESS:
        return ("process",)
    if not names_a_key(operation):
        return ()
    return ("read",) if operation.value.startswith(_READS) else ("manage",)


def names_a_key(operation: Operation) -> bool:
    """Return whether the resource of an operation is a key. The law says so."""
    return bool(LAW[operation].states)


def action_entity(operation: Operation) -> str:
    """Return the JSON of an operation's entity with all the groups above it."""
    groups = groups_of(operation)
    above = (*groups, "use") if groups and groups[0] in ("protect", "process") else groups
    parents = [{"type": "Action", "id": group} for group in above]
    uid = {"type": "Action", "id": operation.value}
    return json.dumps({"uid": uid, "attrs": {}, "parents": parents})


def _action(operation: Operation) -> str:
    groups = ", ".join(f'Action::"{group}"' for group in groups_of(operation))
    inside = f" in [{groups}]" if groups else ""
    resource = "Key" if names_a_key(operation) else "Server"
    return (
        f'action "{operation.value}"{inside} appliesTo '
        f"{{ principal: [Human, Service], resource: {resource}, context: Context }};\n"
    )


def _quoted(values: type[Algorithm] | type[KeyState]) -> str:
    return ", ".join(f'"{member.value}"' for member in values)
