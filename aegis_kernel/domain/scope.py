"""What an agent may do at most: keys, operations on them, and pairs of the encryption context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from aegis_kernel.domain.context import have_pairs
from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.key import KeyId, parse_key_id
from aegis_kernel.domain.lifecycle import LAW, USAGES, Operation

# All keys that whoever issued the agent may use.
ANY_KEY = "*"

MAX_SCOPES = 16
MAX_KEYS = 64

# What binds a request to an encryption context; elsewhere a scope's context would allow nothing.
WITH_CONTEXT = frozenset(
    {
        Operation.ENCRYPT,
        Operation.DECRYPT,
        Operation.WRAP,
        Operation.UNWRAP,
        Operation.GENERATE_DATA_KEY,
        Operation.GENERATE_DATA_KEY_WRAPPED_ONLY,
        Operation.GENERATE_DATA_KEY_PAIR,
        Operation.GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY,
        Operation.REENCRYPT,
    }
)

# Named one by one, so that an operation that is added later is no agent's until somebody says so.
# Missing on purpose: what gives rights to others, the kill switch, and what the kernel alone does.
SCOPABLE = frozenset(USAGES) | {
    Operation.CREATE,
    Operation.GET,
    Operation.LIST,
    Operation.GET_PUBLIC_KEY,
    Operation.ACTIVATE,
    Operation.DEACTIVATE,
    Operation.COMPROMISE,
    Operation.COMPROMISE_VERSION,
    Operation.DISABLE,
    Operation.ENABLE,
    Operation.ROTATE,
    Operation.SCHEDULE_DESTRUCTION,
    Operation.CANCEL_DESTRUCTION,
    Operation.CREATE_IMPORT_TOKEN,
    Operation.IMPORT,
    Operation.UPDATE,
    Operation.LIST_VERSIONS,
    Operation.SET_ALIAS,
    Operation.DELETE_ALIAS,
    Operation.LIST_ALIASES,
    Operation.RANDOM,
    Operation.ISSUE_AGENT,
    Operation.GET_AGENT,
    Operation.LIST_AGENTS,
    Operation.REVOKE_AGENT,
}

_KEYLESS = frozenset(operation for operation in Operation if not LAW[operation].states)


class Scope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`operations` on `keys` (ids, or "*"), if every encryption context has all pairs of `context`.

    An operation without a key is allowed by any scope that names it.
    """

    keys: frozenset[str]
    operations: frozenset[Operation]
    context: Mapping[str, str] = {}

    def allows(
        self, operation: Operation, key_id: KeyId | None, contexts: Sequence[Mapping[str, str]]
    ) -> bool:
        """Return whether this scope allows the request, for all of its contexts."""
        if operation not in self.operations:
            return False
        if key_id is None:
            has_key = operation in _KEYLESS
        else:
            has_key = key_id in self.keys or ANY_KEY in self.keys
        return has_key and have_pairs(contexts, self.context)

    def is_outside(self, wider: Sequence[Scope]) -> bool:
        """Return whether some part of this scope can never be allowed under the scopes `wider`."""
        return any(
            not any(each.overlaps(operation, key_id, self.context) for each in wider)
            for operation in self.operations
            for key_id in self.keys
        )

    def overlaps(self, operation: Operation, key_id: str, context: Mapping[str, str]) -> bool:
        """Return whether a request for that key can be allowed by this scope and by such a context."""
        return (
            operation in self.operations
            and (key_id == ANY_KEY or ANY_KEY in self.keys or key_id in self.keys)
            and all(context.get(name, value) == value for name, value in self.context.items())
        )


def require_sound(scopes: Sequence[Scope]) -> None:
    """Raise BadRequestError unless an agent may be given `scopes`."""
    if not 1 <= len(scopes) <= MAX_SCOPES:
        raise BadRequestError(f"scopes has 1 to {MAX_SCOPES} of them")
    for scope in scopes:
        _require_sound(scope)


def parse_operations(names: Sequence[str]) -> frozenset[Operation]:
    """Return the operations called so. Raises BadRequestError for one that no agent may be given."""
    known = {operation.value: operation for operation in SCOPABLE}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BadRequestError(f"operations: no agent can be given {unknown[0][:64]}")
    return frozenset(known[name] for name in names)


def _require_sound(scope: Scope) -> None:
    if not scope.operations or not scope.operations <= SCOPABLE:
        raise BadRequestError("operations names at least one, all of which an agent can be given")
    if not 1 <= len(scope.keys) <= MAX_KEYS:
        raise BadRequestError(f'keys has 1 to {MAX_KEYS} ids, or "{ANY_KEY}" alone')
    if ANY_KEY in scope.keys:
        if len(scope.keys) > 1:
            raise BadRequestError(f'"{ANY_KEY}" stands alone in keys')
    elif not all(map(parse_key_id, scope.keys)):
        raise BadRequestError("keys has the ids of keys, in lower case with dashes; no aliases")
    if scope.context and not scope.operations <= WITH_CONTEXT:
        raise BadRequestError("a context goes with operations that bind one, and with no others")
