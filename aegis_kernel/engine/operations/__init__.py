"""What can be asked: one declaration per operation, with its request and its answer."""

from aegis_kernel.engine.operations.agents import (
    GET_AGENT,
    ISSUE_AGENT,
    LIST_AGENTS,
    REVOKE_AGENT,
    REVOKE_AGENTS,
)
from aegis_kernel.engine.operations.aliases import DELETE_ALIAS, LIST_ALIASES, SET_ALIAS
from aegis_kernel.engine.operations.data_keys import (
    GENERATE_DATA_KEY,
    GENERATE_DATA_KEY_PAIR,
    GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY,
    GENERATE_DATA_KEY_WRAPPED_ONLY,
)
from aegis_kernel.engine.operations.derive import DERIVE
from aegis_kernel.engine.operations.encapsulation import DECAPSULATE, ENCAPSULATE
from aegis_kernel.engine.operations.grants import CREATE_GRANT, LIST_GRANTS, RETIRE_GRANT
from aegis_kernel.engine.operations.imports import CREATE_IMPORT_TOKEN, IMPORT
from aegis_kernel.engine.operations.key_versions import COMPROMISE_VERSION, LIST_VERSIONS
from aegis_kernel.engine.operations.macs import MAC, VERIFY_MAC
from aegis_kernel.engine.operations.process import DECRYPT, UNWRAP, VERIFY
from aegis_kernel.engine.operations.protect import ENCRYPT, SIGN, WRAP
from aegis_kernel.engine.operations.random import RANDOM
from aegis_kernel.engine.operations.reads import GET, GET_PUBLIC_KEY, LIST
from aegis_kernel.engine.operations.reencrypt import REENCRYPT
from aegis_kernel.engine.operations.transitions import (
    ACTIVATE,
    CANCEL_DESTRUCTION,
    COMPROMISE,
    CREATE,
    DEACTIVATE,
    DESTROY,
    DISABLE,
    ENABLE,
    ROTATE,
    SCHEDULE_DESTRUCTION,
)
from aegis_kernel.engine.operations.update import UPDATE

__all__ = [
    "ACTIVATE",
    "CANCEL_DESTRUCTION",
    "COMPROMISE",
    "COMPROMISE_VERSION",
    "CREATE",
    "CREATE_GRANT",
    "CREATE_IMPORT_TOKEN",
    "DEACTIVATE",
    "DECAPSULATE",
    "DECRYPT",
    "DELETE_ALIAS",
    "DERIVE",
    "DESTROY",
    "DISABLE",
    "ENABLE",
    "ENCAPSULATE",
    "ENCRYPT",
    "GENERATE_DATA_KEY",
    "GENERATE_DATA_KEY_PAIR",
    "GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY",
    "GENERATE_DATA_KEY_WRAPPED_ONLY",
    "GET",
    "GET_AGENT",
    "GET_PUBLIC_KEY",
    "IMPORT",
    "ISSUE_AGENT",
    "LIST",
    "LIST_AGENTS",
    "LIST_ALIASES",
    "LIST_GRANTS",
    "LIST_VERSIONS",
    "MAC",
    "RANDOM",
    "REENCRYPT",
    "RETIRE_GRANT",
    "REVOKE_AGENT",
    "REVOKE_AGENTS",
    "ROTATE",
    "SCHEDULE_DESTRUCTION",
    "SET_ALIAS",
    "SIGN",
    "UNWRAP",
    "UPDATE",
    "VERIFY",
    "VERIFY_MAC",
    "WRAP",
]
