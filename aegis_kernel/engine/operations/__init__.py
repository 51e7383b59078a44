"""What can be asked: one declaration per operation, with its request and its answer."""

from aegis_kernel.engine.operations.process import DECRYPT, UNWRAP, VERIFY
from aegis_kernel.engine.operations.protect import ENCRYPT, SIGN, WRAP
from aegis_kernel.engine.operations.reads import GET, GET_PUBLIC_KEY, LIST
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

__all__ = [
    "ACTIVATE",
    "CANCEL_DESTRUCTION",
    "COMPROMISE",
    "CREATE",
    "DEACTIVATE",
    "DECRYPT",
    "DESTROY",
    "DISABLE",
    "ENABLE",
    "ENCRYPT",
    "GET",
    "GET_PUBLIC_KEY",
    "LIST",
    "ROTATE",
    "SCHEDULE_DESTRUCTION",
    "SIGN",
    "UNWRAP",
    "VERIFY",
    "WRAP",
]
