"""New keys for callers: made here, wrapped under a key, and handed out wrapped, or plain as well."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages import Wrap
from aegis_kernel.engine.operations.messages_secrets import (
    DataKey,
    GenerateDataKey,
    GenerateDataKeyPair,
)
from aegis_kernel.engine.operations.protect import WRAP
from aegis_kernel.engine.operations.require import require
from aegis_kernel.spi.root_of_trust import KeyPair

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench

DATA_KEY_SIZES_BITS = frozenset({128, 192, 256, 512})
PAIR_ALGORITHMS = frozenset({Algorithm.RSA, Algorithm.EC, Algorithm.EDDSA})


async def _generate(
    bench: Bench, caller: Caller, key: Key | None, request: GenerateDataKey
) -> Effect:
    data_key = _new_key(request.size_bits)
    wrap = Wrap(data_key, request.context)
    return _handed_out(await WRAP.act(bench, caller, key, wrap), plaintext=data_key)


async def _generate_wrapped(
    bench: Bench, caller: Caller, key: Key | None, request: GenerateDataKey
) -> Effect:
    wrap = Wrap(_new_key(request.size_bits), request.context)
    return _handed_out(await WRAP.act(bench, caller, key, wrap))


async def _generate_pair(
    bench: Bench, caller: Caller, key: Key | None, request: GenerateDataKeyPair
) -> Effect:
    pair = await _new_pair(bench, key, request)
    wrap = Wrap(pair.private, request.context)
    effect = await WRAP.act(bench, caller, key, wrap)
    return _handed_out(effect, plaintext=pair.private, public=pair.public)


async def _generate_pair_wrapped(
    bench: Bench, caller: Caller, key: Key | None, request: GenerateDataKeyPair
) -> Effect:
    pair = await _new_pair(bench, key, request)
    wrap = Wrap(pair.private, request.context)
    return _handed_out(await WRAP.act(bench, caller, key, wrap), public=pair.public)


def _new_key(size_bits: int) -> Secret:
    if size_bits not in DATA_KEY_SIZES_BITS:
        raise BadRequestError(f"sizeBits is one of {sorted(DATA_KEY_SIZES_BITS)}")
    return Secret(secrets.token_bytes(size_bits // 8))


async def _new_pair(bench: Bench, key: Key | None, request: GenerateDataKeyPair) -> KeyPair:
    key = require(key)
    # Asked before the pair is made, since an RSA pair takes up to some seconds of a thread.
    if key.spec.wrapping_algorithm is None:
        raise BadRequestError(f"An {key.spec.algorithm} key does not wrap; create an AES key")
    if request.spec.algorithm not in PAIR_ALGORITHMS:
        raise BadRequestError(f"A data key pair is one of {sorted(PAIR_ALGORITHMS)}")
    return await bench.generate_pair(key, request.spec)


def _handed_out(
    wrapped: Effect, *, plaintext: Secret | None = None, public: bytes | None = None
) -> Effect:
    answer = wrapped.answer
    data_key = DataKey(
        wrapped=answer.ciphertext,
        algorithm=answer.algorithm,
        key_version=answer.key_version,
        plaintext=plaintext,
        public=public,
    )
    return Effect(answer=data_key, key_version=wrapped.key_version, alg=wrapped.alg)


GENERATE_DATA_KEY: Declaration[GenerateDataKey, DataKey] = Declaration(
    Operation.GENERATE_DATA_KEY, _generate
)
GENERATE_DATA_KEY_WRAPPED_ONLY: Declaration[GenerateDataKey, DataKey] = Declaration(
    Operation.GENERATE_DATA_KEY_WRAPPED_ONLY, _generate_wrapped
)
GENERATE_DATA_KEY_PAIR: Declaration[GenerateDataKeyPair, DataKey] = Declaration(
    Operation.GENERATE_DATA_KEY_PAIR, _generate_pair, costly=True
)
GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY: Declaration[GenerateDataKeyPair, DataKey] = Declaration(
    Operation.GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY, _generate_pair_wrapped, costly=True
)
