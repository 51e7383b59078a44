"""From one key, version or context to another, without the plaintext leaving the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from aegis_kernel.domain.ciphertext import Kind, parse_header
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect, Further
from aegis_kernel.engine.operations.messages import Decrypt, Encrypt, Unwrap, Wrap
from aegis_kernel.engine.operations.messages_secrets import ReEncrypt, ReEncrypted
from aegis_kernel.engine.operations.process import DECRYPT, UNWRAP
from aegis_kernel.engine.operations.protect import ENCRYPT, WRAP
from aegis_kernel.engine.operations.require import require

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench


async def _reencrypt(bench: Bench, caller: Caller, key: Key | None, request: ReEncrypt) -> Effect:
    destination = require(request.destination)
    wrapped = parse_header(request.ciphertext).kind == Kind.WRAPPED_KEY
    move = _move_wrapped_key if wrapped else _move_data
    opened, sealed = await move(bench, caller, require(key), destination, request)
    made = sealed.answer
    return Effect(
        answer=ReEncrypted(made.ciphertext, destination.id, made.algorithm, made.key_version),
        key_version=opened.key_version,
        alg=opened.alg,
        destination_key_id=destination.id,
        destination_key_version=made.key_version,
    )


async def _move_data(
    bench: Bench, caller: Caller, source: Key, destination: Key, request: ReEncrypt
) -> tuple[Effect, Effect]:
    decrypt = Decrypt(request.ciphertext, request.context)
    opened = await DECRYPT.act(bench, caller, source, decrypt)
    encrypt = Encrypt(opened.answer.plaintext, request.destination_context)
    return opened, await ENCRYPT.act(bench, caller, destination, encrypt)


async def _move_wrapped_key(
    bench: Bench, caller: Caller, source: Key, destination: Key, request: ReEncrypt
) -> tuple[Effect, Effect]:
    unwrap = Unwrap(request.ciphertext, request.context)
    opened = await UNWRAP.act(bench, caller, source, unwrap)
    wrap = Wrap(opened.answer.plaintext, request.destination_context)
    return opened, await WRAP.act(bench, caller, destination, wrap)


REENCRYPT: Declaration[ReEncrypt, ReEncrypted] = Declaration(
    Operation.REENCRYPT,
    _reencrypt,
    further=Further(
        lambda request: request.destination_key_id,
        lambda request, key: replace(request, destination=key),
    ),
)
