"""What a request costs: one table, from its operation and the spec of the key that it works with.

Prices were measured on one core: an RSA signature takes 0.3, 0.8 and 1.7 ms with 2048, 3072 and 4096
bits, an RSA key 35, 150 and 450 ms to make. What takes less than a sixth of a millisecond, such as
AES, HMAC, P-256, Ed25519 and ML-KEM, is in the price of any request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import msgspec

from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.spec import Curve, KeySpec, ParameterSet


class CostClass(StrEnum):
    """What is limited apart. Every request counts in REQUESTS, and dear work in its class besides."""

    REQUESTS = "requests"
    HEAVY = "heavy"
    MAKING = "making"


class _Heavy(msgspec.Struct, frozen=True):
    """Units of 0.3 ms of a core, with the private key and with the public one."""

    private: int
    public: int = 0


# The only sizes of keys here beyond 512 bits are RSA's.
_HEAVY: Mapping[int | Curve | ParameterSet | None, _Heavy] = MappingProxyType(
    {
        2048: _Heavy(1),
        3072: _Heavy(3),
        4096: _Heavy(6),
        Curve.P384: _Heavy(1, 1),
        Curve.P521: _Heavy(1, 1),
        Curve.SECP256K1: _Heavy(1, 1),
        ParameterSet.ML_DSA_44: _Heavy(2),
        ParameterSet.ML_DSA_65: _Heavy(2),
        ParameterSet.ML_DSA_87: _Heavy(3, 1),
        ParameterSet.ML_KEM_1024_P384: _Heavy(1, 1),
    }
)
_NOTHING = _Heavy(0)

# 0.2 ms of a core, which any request costs from the wire to its record.
_ROWS_A_REQUEST = 50

# Units of 4 ms of a core. Whatever is made costs one: it is kept, or makes a commit larger.
_MAKING: Mapping[int | None, int] = MappingProxyType({2048: 10, 3072: 40, 4096: 100})


def _private(key: Key | None, request: Any) -> tuple[CostClass, int]:
    return CostClass.HEAVY, _HEAVY.get(_size(key), _NOTHING).private


def _public(key: Key | None, request: Any) -> tuple[CostClass, int]:
    return CostClass.HEAVY, _HEAVY.get(_size(key), _NOTHING).public


def _asked_for(key: Key | None, request: Any) -> tuple[CostClass, int]:
    spec: KeySpec = request.spec
    return CostClass.MAKING, _MAKING.get(spec.size_bits, 1)


def _another_version(key: Key | None, request: Any) -> tuple[CostClass, int]:
    return CostClass.MAKING, _MAKING.get(key.spec.size_bits if key else None, 1)


def _wrapping_key(key: Key | None, request: Any) -> tuple[CostClass, int]:
    # A token brings an RSA-4096 key of its own, whatever is to be imported under it.
    return CostClass.MAKING, _MAKING[4096]


# What is not here costs what any request costs.
_DEAR: Mapping[Operation, Callable[[Key | None, Any], tuple[CostClass, int]]] = MappingProxyType(
    {
        Operation.SIGN: _private,
        Operation.DECRYPT: _private,
        Operation.DERIVE: _private,
        Operation.REENCRYPT: _private,
        Operation.VERIFY: _public,
        Operation.ENCRYPT: _public,
        Operation.CREATE: _asked_for,
        Operation.GENERATE_DATA_KEY_PAIR: _asked_for,
        Operation.GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY: _asked_for,
        Operation.ROTATE: _another_version,
        Operation.IMPORT: _another_version,
        Operation.CREATE_IMPORT_TOKEN: _wrapping_key,
    }
)


def requests_in(request: Any) -> int:
    """Return as how many requests one counts: a batch as its items, a list as one more per 50 rows."""
    items = getattr(request, "items", None)
    if items is not None:
        return max(1, len(items))
    rows: int = getattr(request, "limit", 0)
    return max(1, 1 + rows // _ROWS_A_REQUEST)


def extra_cost(operation: Operation, key: Key | None, request: Any) -> tuple[CostClass, int] | None:
    """Return the class and units that `operation` costs beside the request, or None for nothing."""
    price = _DEAR.get(operation)
    if price is None:
        return None
    cost_class, units = price(key, request)
    return (cost_class, units * requests_in(request)) if units else None


def _size(key: Key | None) -> int | Curve | ParameterSet | None:
    if key is None:
        return None
    return key.spec.size_bits or key.spec.curve or key.spec.parameter_set
