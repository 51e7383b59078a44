"""Encapsulate and decapsulate: a shared secret between whoever has the public key and the key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_kernel.domain.ciphertext import CiphertextFormat, Kind
from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.spec import EncapsulationAlgorithm
from aegis_kernel.engine.operations.ciphertexts import named_version, raw_version
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages_encapsulation import (
    Decapsulate,
    Decapsulated,
    Encapsulate,
    Encapsulated,
)
from aegis_kernel.engine.operations.require import require

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench


async def _encapsulate(
    bench: Bench, caller: Caller, key: Key | None, request: Encapsulate
) -> Effect:
    key = require(key)
    algorithm = _algorithm(key)
    version = key.current_version
    opened = await bench.open(key, version)
    made = await opened.key.encapsulate()
    ciphertext = opened.encapsulated_header + made.ciphertext
    return Effect(
        answer=Encapsulated(made.shared_secret, ciphertext, algorithm, version),
        key_version=version,
        alg=algorithm,
    )


async def _decapsulate(
    bench: Bench, caller: Caller, key: Key | None, request: Decapsulate
) -> Effect:
    key = require(key)
    algorithm = _algorithm(key)
    ciphertext, number = request.ciphertext, request.key_version
    if request.format is CiphertextFormat.RAW:
        opened = await raw_version(bench, key, number)
    else:
        opened = await named_version(bench, key, ciphertext, Kind.ENCAPSULATED, number)
        ciphertext = ciphertext[len(opened.encapsulated_header) :]
    secret = await opened.key.decapsulate(ciphertext)
    return Effect(
        answer=Decapsulated(secret, algorithm, opened.version),
        key_version=opened.version,
        alg=algorithm,
    )


def _algorithm(key: Key) -> EncapsulationAlgorithm:
    algorithm = key.spec.encapsulation_algorithm
    if algorithm is None:
        raise BadRequestError(
            "This key does not encapsulate; ML-KEM-768 and ML-KEM-1024 keys do. Hybrids encrypt"
        )
    return algorithm


ENCAPSULATE: Declaration[Encapsulate, Encapsulated] = Declaration(
    Operation.ENCAPSULATE, _encapsulate
)
DECAPSULATE: Declaration[Decapsulate, Decapsulated] = Declaration(
    Operation.DECAPSULATE, _decapsulate
)
