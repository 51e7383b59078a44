"""What operations on keys have in common: they have a key, and a context only where one is bound."""

from __future__ import annotations

from collections.abc import Mapping

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.spec import KeySpec


def require(key: Key | None) -> Key:
    """Return `key`. Raises ValueError when an operation on a key is run without one."""
    if key is None:
        raise ValueError("this operation needs a key")
    return key


def require_context_where_bound(spec: KeySpec, context: Mapping[str, str] | None) -> None:
    """Raise BadRequestError for a context, even an empty one, that such a key would not bind."""
    if context is not None and not spec.binds_context:
        raise BadRequestError(f"{spec.algorithm} keys bind no context; AES keys do")
