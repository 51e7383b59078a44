"""Operations that apply protection, always with the current version: sign, encrypt, wrap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_kernel.domain.context import canonical_bytes
from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.signature import MessageType, require_form
from aegis_kernel.domain.spec import KeySpec
from aegis_kernel.engine.operations import interop
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages import Encrypt, Encrypted, Sign, Signed, Wrap
from aegis_kernel.engine.operations.require import require, require_context_where_bound

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench
    from aegis_kernel.engine.opened import Opened

WRAP_LEAST_BYTES = 16
WRAP_MOST_BYTES = 4096


async def _sign(bench: Bench, caller: Caller, key: Key | None, request: Sign) -> Effect:
    key = require(key)
    prehashed = request.message_type is MessageType.DIGEST
    require_form(request.algorithm, request.message, prehashed, request.signature_format)
    version = key.current_version
    opened = await bench.open(key, version)
    signature = await opened.key.sign(
        request.algorithm,
        request.message,
        prehashed=prehashed,
        signature_format=request.signature_format,
    )
    return Effect(
        answer=Signed(signature, request.algorithm, version),
        key_version=version,
        alg=request.algorithm,
    )


async def _encrypt(bench: Bench, caller: Caller, key: Key | None, request: Encrypt) -> Effect:
    key = require(key)
    require_encryptable(key, request)
    opened = await bench.open(key, key.current_version)
    context = canonical_bytes(request.context)
    return encrypted(
        key, opened, await opened.key.encrypt(opened.data_header, request.plaintext, context)
    )


def require_encryptable(key: Key, request: Encrypt) -> None:
    """Raise BadRequestError unless `key` can encrypt this."""
    algorithm = key.spec.encryption_algorithm
    if algorithm is None:
        raise BadRequestError(_cannot_encrypt(key.spec))
    require_context_where_bound(key.spec, request.context)
    most = key.spec.plaintext_most_bytes
    if most is not None and len(request.plaintext) > most:
        raise BadRequestError(
            f"{algorithm} under this key takes at most {most} bytes; encrypt longer data with an "
            "AES key"
        )


def encrypted(key: Key, opened: Opened, body: bytes) -> Effect:
    """Return the effect of having encrypted; `body` is what follows the header."""
    algorithm = str(key.spec.encryption_algorithm)
    return Effect(
        answer=Encrypted(opened.data_header + body, algorithm, opened.version),
        key_version=opened.version,
        alg=algorithm,
    )


async def _wrap(bench: Bench, caller: Caller, key: Key | None, request: Wrap) -> Effect:
    key = require(key)
    algorithm = key.spec.wrapping_algorithm
    if algorithm is None:
        raise BadRequestError(f"An {key.spec.algorithm} key does not wrap; create an AES key")
    if not WRAP_LEAST_BYTES <= len(request.key_bytes) <= WRAP_MOST_BYTES:
        raise BadRequestError(
            f"wrap takes a key of {WRAP_LEAST_BYTES} to {WRAP_MOST_BYTES} bytes; encrypt takes data"
        )
    if interop.concerns(key, request):
        return await interop.wrap(bench, key, request)
    version = key.current_version
    opened = await bench.open(key, version)
    header = opened.wrapped_key_header
    body = await opened.key.wrap(header, request.key_bytes, canonical_bytes(request.context))
    return Effect(
        answer=Encrypted(header + body, algorithm, version), key_version=version, alg=algorithm
    )


def _cannot_encrypt(spec: KeySpec) -> str:
    if spec.encapsulation_algorithm is not None:
        return f"A {spec.parameter_set} key does not encrypt; encapsulate with it"
    return f"This {spec.curve or spec.parameter_set or spec.algorithm} key does not encrypt; create an AES key"


SIGN: Declaration[Sign, Signed] = Declaration(Operation.SIGN, _sign, costly=True)
ENCRYPT: Declaration[Encrypt, Encrypted] = Declaration(Operation.ENCRYPT, _encrypt)
WRAP: Declaration[Wrap, Encrypted] = Declaration(Operation.WRAP, _wrap)
