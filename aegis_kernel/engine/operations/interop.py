"""wrap and unwrap in the format rfc5649: the bytes that other systems exchange, and nothing around.

Such a wrap names neither key nor version and binds no context. Only keys made for it do it, and they
do nothing else: what one format shows of a key must not help against another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_kernel.domain.errors import BadRequestError, IllegalOperationError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import LAW, Operation
from aegis_kernel.domain.usage import Usage
from aegis_kernel.engine.operations.declaration import Effect
from aegis_kernel.engine.operations.messages import Decrypted, Encrypted, Unwrap, Wrap
from aegis_kernel.engine.operations.versions import processable_version

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench


def concerns(key: Key, request: Wrap | Unwrap) -> bool:
    """Return whether the key or the request is of this format; if only one is, that is refused."""
    return request.format is not None or key.spec.interop_wrapping_algorithm is not None


async def wrap(bench: Bench, key: Key, request: Wrap) -> Effect:
    """Return the effect of wrapping with the current version."""
    algorithm = _algorithm(key, request, Operation.WRAP)
    version = key.current_version
    opened = await bench.open(key, version)
    wrapped = await opened.key.wrap_rfc5649(request.key_bytes)
    return Effect(answer=Encrypted(wrapped, algorithm, version), key_version=version, alg=algorithm)


async def unwrap(bench: Bench, key: Key, request: Unwrap) -> Effect:
    """Return the effect of unwrapping with the version that the request names."""
    algorithm = _algorithm(key, request, Operation.UNWRAP)
    version = _version(key, request.key_version)
    opened = await bench.open(key, version)
    key_bytes = await opened.key.unwrap_rfc5649(request.wrapped)
    return Effect(
        answer=Decrypted(key_bytes, algorithm, version), key_version=version, alg=algorithm
    )


def _algorithm(key: Key, request: Wrap | Unwrap, operation: Operation) -> str:
    algorithm, phrase = key.spec.interop_wrapping_algorithm, LAW[operation].phrase
    if algorithm is None:
        raise IllegalOperationError(
            f"Cannot {phrase} a key whose usages leave out {Usage.WRAP_RFC5649}, in this format",
            reason=f"usages leave out {Usage.WRAP_RFC5649}",
        )
    if request.format is None:
        raise IllegalOperationError(
            f"Cannot {phrase} a key made for {Usage.WRAP_RFC5649}, but in the format rfc5649",
            reason=f"usages leave out {operation[0].lower()}{operation[1:]}",
        )
    if request.context is not None:
        raise BadRequestError("The format rfc5649 binds no context; leave it out")
    return algorithm


def _version(key: Key, number: int | None) -> int:
    if number is not None:
        return processable_version(key, number).number
    candidates = [version.number for version in key.versions if version.is_processable]
    if len(candidates) != 1:
        raise BadRequestError(
            f"The format rfc5649 does not say which of {len(candidates)} versions wrapped this; "
            "name it with keyVersion"
        )
    return candidates[0]
