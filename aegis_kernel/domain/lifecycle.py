"""The law of keys: which operation is allowed in which state. One table; code looks things up.

States follow KMIP 2.1 §4.57 and NIST SP 800-57 Part 1 §7, with two suspensions that are not states:
a key may be disabled, and its destruction may be scheduled.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from aegis_kernel.domain.errors import IllegalOperationError
from aegis_kernel.domain.usage import Usage

if TYPE_CHECKING:
    from aegis_kernel.domain.key import Key, KeyVersion


class KeyState(StrEnum):
    """The state of a key, and of each of its versions."""

    PRE_ACTIVE = "PreActive"
    ACTIVE = "Active"
    DEACTIVATED = "Deactivated"
    COMPROMISED = "Compromised"
    DESTROYED = "Destroyed"


class Operation(StrEnum):
    """Anything a principal asks for, spelled as metrics and spans spell it."""

    CREATE = "Create"
    GET = "Get"
    LIST = "List"
    GET_PUBLIC_KEY = "GetPublicKey"
    ACTIVATE = "Activate"
    DEACTIVATE = "Deactivate"
    COMPROMISE = "Compromise"
    DISABLE = "Disable"
    ENABLE = "Enable"
    ROTATE = "Rotate"
    SCHEDULE_DESTRUCTION = "ScheduleDestruction"
    CANCEL_DESTRUCTION = "CancelDestruction"
    DESTROY = "Destroy"
    CREATE_IMPORT_TOKEN = "CreateImportToken"  # noqa: S105 - a name
    IMPORT = "Import"
    SIGN = "Sign"
    VERIFY = "Verify"
    ENCRYPT = "Encrypt"
    DECRYPT = "Decrypt"
    WRAP = "Wrap"
    UNWRAP = "Unwrap"
    GENERATE_DATA_KEY = "GenerateDataKey"
    GENERATE_DATA_KEY_WRAPPED_ONLY = "GenerateDataKeyWrappedOnly"
    GENERATE_DATA_KEY_PAIR = "GenerateDataKeyPair"
    GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY = "GenerateDataKeyPairWrappedOnly"
    REENCRYPT = "ReEncrypt"
    MAC = "Mac"
    VERIFY_MAC = "VerifyMac"
    DERIVE = "Derive"
    RANDOM = "Random"
    ROTATE_MASTER = "RotateMaster"
    BACK_UP = "BackUp"
    RESTORE = "Restore"
    ACTIVATE_POLICY = "ActivatePolicy"
    ENCAPSULATE = "Encapsulate"
    DECAPSULATE = "Decapsulate"
    AUTHENTICATE = "Authenticate"
    UPDATE = "Update"
    COMPROMISE_VERSION = "CompromiseVersion"
    LIST_VERSIONS = "ListVersions"
    ANNOUNCE_ROTATION = "AnnounceRotation"
    SET_ALIAS = "SetAlias"
    DELETE_ALIAS = "DeleteAlias"
    LIST_ALIASES = "ListAliases"
    ISSUE_AGENT = "IssueAgent"
    GET_AGENT = "GetAgent"
    LIST_AGENTS = "ListAgents"
    REVOKE_AGENT = "RevokeAgent"
    REVOKE_AGENTS = "RevokeAgents"
    CREATE_GRANT = "CreateGrant"
    LIST_GRANTS = "ListGrants"
    RETIRE_GRANT = "RetireGrant"


class Scheduled(Enum):
    """What an operation wants of a key's scheduled destruction."""

    NO = auto()
    YES = auto()
    EITHER = auto()


class Rule(msgspec.Struct, frozen=True):
    """One row of the law: `phrase` completes the sentence "Cannot … key in state …"."""

    phrase: str
    states: frozenset[KeyState]
    while_disabled: bool = False
    scheduled: Scheduled = Scheduled.NO


_PRE_ACTIVE = frozenset({KeyState.PRE_ACTIVE})
_ACTIVE = frozenset({KeyState.ACTIVE})
_PROCESS = frozenset({KeyState.ACTIVE, KeyState.DEACTIVATED})
_UNHARMED = _PRE_ACTIVE | _PROCESS
_LIVE = _UNHARMED | {KeyState.COMPROMISED}
_ANY = frozenset(KeyState)

LAW: Mapping[Operation, Rule] = MappingProxyType(
    {
        # protect
        Operation.SIGN: Rule("sign with", _ACTIVE),
        Operation.ENCRYPT: Rule("encrypt with", _ACTIVE),
        Operation.WRAP: Rule("wrap with", _ACTIVE),
        Operation.GENERATE_DATA_KEY: Rule("generate a data key with", _ACTIVE),
        Operation.GENERATE_DATA_KEY_WRAPPED_ONLY: Rule("generate a data key with", _ACTIVE),
        Operation.GENERATE_DATA_KEY_PAIR: Rule("generate a data key pair with", _ACTIVE),
        Operation.GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY: Rule(
            "generate a data key pair with", _ACTIVE
        ),
        Operation.MAC: Rule("make a MAC with", _ACTIVE),
        Operation.DERIVE: Rule("derive with", _ACTIVE),
        Operation.ENCAPSULATE: Rule("encapsulate with", _ACTIVE),
        # process
        Operation.VERIFY: Rule("verify with", _PROCESS),
        Operation.DECRYPT: Rule("decrypt with", _PROCESS),
        Operation.UNWRAP: Rule("unwrap with", _PROCESS),
        Operation.VERIFY_MAC: Rule("verify a MAC with", _PROCESS),
        Operation.REENCRYPT: Rule("re-encrypt from", _PROCESS),
        Operation.DECAPSULATE: Rule("decapsulate with", _PROCESS),
        # transitions
        Operation.ACTIVATE: Rule("activate", _PRE_ACTIVE),
        Operation.DEACTIVATE: Rule("deactivate", _ACTIVE),
        Operation.ROTATE: Rule("rotate", _ACTIVE),
        Operation.COMPROMISE: Rule("compromise", _UNHARMED, True, Scheduled.EITHER),
        Operation.COMPROMISE_VERSION: Rule(
            "compromise a version of", _UNHARMED, True, Scheduled.EITHER
        ),
        Operation.DISABLE: Rule("disable", _LIVE),
        Operation.ENABLE: Rule("enable", _LIVE, True, Scheduled.EITHER),
        Operation.SCHEDULE_DESTRUCTION: Rule("schedule destruction of", _LIVE, True),
        Operation.CANCEL_DESTRUCTION: Rule("cancel destruction of", _LIVE, False, Scheduled.YES),
        Operation.DESTROY: Rule("destroy", _LIVE, True, Scheduled.YES),
        # what a key is called, and how it is rotated
        Operation.UPDATE: Rule("update", _LIVE, True, Scheduled.EITHER),
        Operation.ANNOUNCE_ROTATION: Rule("announce the rotation of", _ACTIVE),
        Operation.SET_ALIAS: Rule("set an alias of", _LIVE, True, Scheduled.EITHER),
        Operation.DELETE_ALIAS: Rule("delete an alias of", _ANY, True, Scheduled.EITHER),
        # who else may use it
        Operation.CREATE_GRANT: Rule("grant the use of", _UNHARMED),
        Operation.RETIRE_GRANT: Rule("retire a grant of", _ANY, True, Scheduled.EITHER),
        Operation.LIST_GRANTS: Rule("list the grants of", _ANY, True, Scheduled.EITHER),
        # without a key, so no state refuses them
        Operation.CREATE: Rule("create", frozenset()),
        Operation.LIST: Rule("list", frozenset()),
        Operation.RANDOM: Rule("draw random bytes", frozenset()),
        Operation.ROTATE_MASTER: Rule("rotate the master key of", frozenset()),
        Operation.BACK_UP: Rule("back up", frozenset()),
        Operation.RESTORE: Rule("restore", frozenset()),
        Operation.ACTIVATE_POLICY: Rule("activate the policies of", frozenset()),
        Operation.LIST_ALIASES: Rule("list the aliases of", frozenset()),
        Operation.AUTHENTICATE: Rule("authenticate", frozenset()),
        Operation.ISSUE_AGENT: Rule("issue an agent", frozenset()),
        Operation.GET_AGENT: Rule("get this agent", frozenset()),
        Operation.LIST_AGENTS: Rule("list agents", frozenset()),
        Operation.REVOKE_AGENT: Rule("revoke this agent", frozenset()),
        Operation.REVOKE_AGENTS: Rule("revoke these agents", frozenset()),
        # import
        Operation.CREATE_IMPORT_TOKEN: Rule("import into", _PRE_ACTIVE | _ACTIVE),
        Operation.IMPORT: Rule("import into", _PRE_ACTIVE | _ACTIVE),
        # reads
        Operation.GET: Rule("get", _ANY, True, Scheduled.EITHER),
        Operation.GET_PUBLIC_KEY: Rule("get the public key of", _LIVE, True, Scheduled.EITHER),
        Operation.LIST_VERSIONS: Rule("list the versions of", _ANY, True, Scheduled.EITHER),
    }
)

# The second key of an operation that names one: what it protects with.
FURTHER_LAW: Mapping[Operation, Rule] = MappingProxyType(
    {Operation.REENCRYPT: Rule("re-encrypt to", _ACTIVE)}
)

# Every operation that computes with a key: it takes one of these usages, and a refusal names the first.
USAGES: Mapping[Operation, tuple[Usage, ...]] = MappingProxyType(
    {
        Operation.SIGN: (Usage.SIGN,),
        Operation.VERIFY: (Usage.VERIFY,),
        Operation.ENCRYPT: (Usage.ENCRYPT,),
        Operation.DECRYPT: (Usage.DECRYPT,),
        Operation.WRAP: (Usage.WRAP, Usage.WRAP_RFC5649),
        Operation.UNWRAP: (Usage.UNWRAP, Usage.WRAP_RFC5649),
        Operation.GENERATE_DATA_KEY: (Usage.GENERATE_DATA_KEY,),
        Operation.GENERATE_DATA_KEY_WRAPPED_ONLY: (Usage.GENERATE_DATA_KEY_WRAPPED_ONLY,),
        Operation.GENERATE_DATA_KEY_PAIR: (Usage.GENERATE_DATA_KEY_PAIR,),
        Operation.GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY: (Usage.GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY,),
        Operation.REENCRYPT: (Usage.REENCRYPT,),
        Operation.MAC: (Usage.MAC,),
        Operation.VERIFY_MAC: (Usage.VERIFY_MAC,),
        Operation.DERIVE: (Usage.DERIVE,),
        Operation.ENCAPSULATE: (Usage.ENCAPSULATE,),
        Operation.DECAPSULATE: (Usage.DECAPSULATE,),
    }
)

# What computes with a key either applies protection, with the current version, or processes.
PROTECT = frozenset(operation for operation in USAGES if LAW[operation].states == _ACTIVE)
PROCESS = frozenset(USAGES) - PROTECT

PROCESSABLE_VERSION_STATES = _PROCESS


def permit(key: Key, operation: Operation) -> None:
    """Raise IllegalOperationError unless the law allows `operation` on `key` as it stands."""
    _permit(key, operation, LAW[operation])
    current = key.versions[-1]
    if current.state is KeyState.COMPROMISED and operation in PROTECT:
        permit_version(current, operation, remedy="; rotate the key first")


def permit_further(key: Key, operation: Operation) -> None:
    """As `permit`, for the second key that `operation` names."""
    _permit(key, operation, FURTHER_LAW[operation])
    permit_version(key.versions[-1], remedy="; rotate the key first")


def _permit(key: Key, operation: Operation, rule: Rule) -> None:
    if key.state not in rule.states:
        raise IllegalOperationError(
            f"Cannot {rule.phrase} key in state {key.state}", reason=f"key state={key.state}"
        )
    scheduled = key.destroy_at is not None
    if scheduled and rule.scheduled is Scheduled.NO:
        raise IllegalOperationError(
            f"Cannot {rule.phrase} a key scheduled for destruction",
            reason="key scheduled for destruction",
        )
    if not scheduled and rule.scheduled is Scheduled.YES:
        raise IllegalOperationError(
            f"Cannot {rule.phrase} a key that is not scheduled for destruction",
            reason="key not scheduled for destruction",
        )
    _permit_disabled(key, operation, rule)
    _permit_usage(key, operation, rule)


def permit_version(
    version: KeyVersion, operation: Operation | None = None, *, remedy: str = ""
) -> None:
    """Raise IllegalOperationError if that version is Compromised, and so does nothing any more; or
    PreActive still, which it stays when an import replaced it, and can only be compromised.
    """
    unused = version.state is KeyState.PRE_ACTIVE and operation is not Operation.COMPROMISE
    if version.state is KeyState.COMPROMISED or unused:
        phrase = LAW[operation].phrase if operation is not None else "use"
        raise IllegalOperationError(
            f"Cannot {phrase} version {version.number} in state {version.state}{remedy}",
            reason=f"version state={version.state}",
        )


def _permit_disabled(key: Key, operation: Operation, rule: Rule) -> None:
    if key.disabled and not rule.while_disabled:
        raise IllegalOperationError(f"Cannot {rule.phrase} a disabled key", reason="key disabled")
    if operation is Operation.ENABLE and not key.disabled:
        raise IllegalOperationError(
            "Cannot enable a key that is not disabled", reason="key not disabled"
        )


def _permit_usage(key: Key, operation: Operation, rule: Rule) -> None:
    usages = key.spec.usages
    if usages is None:
        return
    needed = USAGES.get(operation)
    if needed is not None and usages.isdisjoint(needed):
        raise IllegalOperationError(
            f"Cannot {rule.phrase} a key whose usages leave out {needed[0]}",
            reason=f"usages leave out {needed[0]}",
        )
