"""The one key derivation: SP 800-108r1 §4.1, counter mode, HMAC-SHA256."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode

_SHA256 = hashes.SHA256()
_COUNTER_MODE = Mode.CounterMode
_COUNTER_FIRST = CounterLocation.BeforeFixed
_COUNTER_BYTES = 4


def derive(key: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """Return `length` bytes: blocks of HMAC(key, [i]₃₂ ‖ label ‖ 00 ‖ context ‖ [8·length]₃₂).

    `label` must be a constant without a zero byte, and every context under one label equally long:
    then no two inputs are the same.
    """
    fixed = b"".join((label, b"\x00", context, (8 * length).to_bytes(4, "big")))
    return counter_mode(key, fixed, length)


def counter_mode(key: bytes, fixed: bytes, length: int) -> bytes:
    """Return `length` bytes: blocks of HMAC(key, [i]₃₂ ‖ fixed)."""
    # By position and from constants: two derivations are most of what a small message costs.
    return KBKDFHMAC(
        _SHA256,
        _COUNTER_MODE,
        length,
        _COUNTER_BYTES,
        None,
        _COUNTER_FIRST,
        None,
        None,
        fixed,
    ).derive(key)
