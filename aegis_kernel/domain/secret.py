"""A wrapper for bytes that must never be printed."""

from __future__ import annotations

import hmac
from typing import NoReturn


class Secret:
    """Bytes that no `repr`, format string, traceback or pickle shows.

    Equality is decided in constant time. Zeroisation in Python is best effort; see SECURITY.md.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """Return the bytes; call it only where they are used, and keep no second reference."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    # An equality that is decided in constant time must not be undone by a hash table.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Secret(<redacted>)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not written anywhere; reveal() it where it is used")
