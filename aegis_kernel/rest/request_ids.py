"""Request ids: unique, cheap, and telling nothing of how many came before."""

from __future__ import annotations

import secrets
from itertools import count

_MASK = 2**64 - 1


class RequestIds:
    """Makes ids of 32 hex digits: 64 random bits of this process, then a scrambled counter."""

    def __init__(self) -> None:
        self._process = secrets.token_hex(8)
        # Multiplying by an odd number permutes the 64-bit numbers, so no two ids are equal.
        self._step = secrets.randbits(64) | 1
        self._count = count(secrets.randbits(63))

    def next(self) -> str:
        return f"{self._process}{next(self._count) * self._step & _MASK:016x}"
