"""Message authentication codes: made with the current version, verified by the one that made them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_kernel.domain.audit import INVALID_MAC, SUCCESS
from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.spec import KeySpec, MacAlgorithm
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages import Verified
from aegis_kernel.engine.operations.messages_secrets import Mac, Maced, VerifyMac
from aegis_kernel.engine.operations.require import require
from aegis_kernel.engine.operations.versions import find_version

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench


async def _mac(bench: Bench, caller: Caller, key: Key | None, request: Mac) -> Effect:
    key = require(key)
    _require_pairing(key.spec, request.algorithm)
    version = key.current_version
    opened = await bench.open(key, version)
    mac = await opened.key.mac(request.algorithm, request.message)
    return Effect(
        answer=Maced(mac, request.algorithm, version), key_version=version, alg=request.algorithm
    )


async def _verify_mac(bench: Bench, caller: Caller, key: Key | None, request: VerifyMac) -> Effect:
    key = require(key)
    _require_pairing(key.spec, request.algorithm)
    version = await find_version(
        bench,
        key,
        request.key_version,
        lambda opened: opened.verify_mac(request.algorithm, request.message, request.mac),
        "MAC",
    )
    valid = version is not None
    return Effect(
        answer=Verified(valid, request.algorithm, version),
        outcome=SUCCESS if valid else INVALID_MAC,
        key_version=version,
        alg=request.algorithm,
    )


def _require_pairing(spec: KeySpec, algorithm: MacAlgorithm) -> None:
    if spec.mac_algorithm is None:
        raise BadRequestError(f"An {spec.algorithm} key makes no MACs; create an HMAC key")
    if spec.mac_algorithm is not algorithm:
        raise BadRequestError(
            f"An HMAC key of {spec.size_bits} bits pairs with {spec.mac_algorithm}, not {algorithm}"
        )


MAC: Declaration[Mac, Maced] = Declaration(Operation.MAC, _mac)
VERIFY_MAC: Declaration[VerifyMac, Verified] = Declaration(Operation.VERIFY_MAC, _verify_mac)
