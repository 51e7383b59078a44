"""Encrypt and decrypt for the items of a batch together, where a root of trust can share work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aegis_kernel.domain.ciphertext import CiphertextFormat, Kind
from aegis_kernel.domain.context import canonical_bytes
from aegis_kernel.domain.errors import AegisError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.secret import Secret
from aegis_kernel.engine.operations.ciphertexts import named_version
from aegis_kernel.engine.operations.declaration import Caller, Ended
from aegis_kernel.engine.operations.messages import Decrypt, Encrypt
from aegis_kernel.engine.operations.process import DECRYPT, decrypted
from aegis_kernel.engine.operations.protect import encrypted, require_encryptable
from aegis_kernel.engine.operations.require import require, require_context_where_bound

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench
    from aegis_kernel.engine.opened import Opened


async def encrypt_many(
    bench: Bench, caller: Caller, key: Key | None, requests: Sequence[Encrypt]
) -> list[Ended]:
    """Return for each request what encrypting it alone would have come to."""
    key = require(key)
    ready = [_to_encrypt(key, request) for request in requests]
    opened = await bench.open(key, key.current_version)
    header = opened.data_header
    bodies = iter(await opened.key.encrypt_many(header, [r for r in ready if isinstance(r, tuple)]))
    ended = [next(bodies) if isinstance(each, tuple) else each for each in ready]
    return [encrypted(key, opened, each) if isinstance(each, bytes) else each for each in ended]


async def decrypt_many(
    bench: Bench, caller: Caller, key: Key | None, requests: Sequence[Decrypt]
) -> list[Ended]:
    """Return for each request what decrypting it alone would have come to."""
    key = require(key)
    ended: dict[int, Ended] = {}
    groups: dict[int, tuple[Opened, list[int]]] = {}
    for place, request in enumerate(requests):
        try:
            opened = await _sharing(bench, key, request)
            if opened is None:
                ended[place] = await DECRYPT.act(bench, caller, key, request)
            else:
                groups.setdefault(opened.version, (opened, []))[1].append(place)
        except AegisError as error:
            ended[place] = error
    for opened, places in groups.values():
        together = [requests[place] for place in places]
        results = await opened.key.decrypt_many(
            opened.data_header, [_to_decrypt(opened, request) for request in together]
        )
        for place, result in zip(places, results, strict=True):
            ended[place] = decrypted(key, opened, result) if isinstance(result, Secret) else result
    return [ended[place] for place in range(len(requests))]


def _to_encrypt(key: Key, request: Encrypt) -> tuple[Secret, bytes] | AegisError:
    try:
        require_encryptable(key, request)
        return request.plaintext, canonical_bytes(request.context)
    except AegisError as error:
        return error


async def _sharing(bench: Bench, key: Key, request: Decrypt) -> Opened | None:
    """Return the version to decrypt with, or None for what each does alone."""
    if key.spec.encryption_algorithm is None or request.format is CiphertextFormat.RAW:
        return None
    require_context_where_bound(key.spec, request.context)
    canonical_bytes(request.context)  # refuses here, where it fails alone
    return await named_version(bench, key, request.ciphertext, Kind.DATA, request.key_version)


def _to_decrypt(opened: Opened, request: Decrypt) -> tuple[bytes, bytes]:
    body = request.ciphertext[len(opened.data_header) :]
    return body, canonical_bytes(request.context)
