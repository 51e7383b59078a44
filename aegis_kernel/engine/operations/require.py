"""A key operation has a key: the pipeline has seen to it."""

from __future__ import annotations

from aegis_kernel.domain.key import Key


def require(key: Key | None) -> Key:
    """Return `key`. Raises ValueError when an operation on a key is run without one."""
    if key is None:
        raise ValueError("this operation needs a key")
    return key
