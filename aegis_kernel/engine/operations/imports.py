"""Bring your own key: a token to wrap under, and the import of what was wrapped.

A token is the sealed private half of an RSA-4096 key, and nothing is stored of it: the root of trust
opens it only for the key and the expiry that it was made for.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from aegis_kernel.domain import events
from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.secret import Secret
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages import KeyAnswer
from aegis_kernel.engine.operations.messages_import import (
    CreateImportToken,
    ImportKey,
    ImportToken,
)
from aegis_kernel.engine.operations.require import require
from aegis_kernel.spi.imports import (
    Imported,
    PlainImport,
    PublicImport,
    TokenBinding,
    WrappedImport,
)
from aegis_kernel.spi.journal import PutMaterial
from aegis_kernel.spi.root_of_trust import Binding

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench

TOKEN_LIFE = timedelta(hours=24)
WRAPPING_ALGORITHM = "RSA_AES_KEY_WRAP_SHA_256"


class _Token(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    expires: int
    root_of_trust: str
    sealed: bytes


async def _create_token(
    bench: Bench, caller: Caller, key: Key | None, request: CreateImportToken
) -> Effect:
    key = require(key)
    expires = int((bench.now() + TOKEN_LIFE).timestamp())
    name, root = bench.importing_root(key)
    made = await root.create_wrapping_key(TokenBinding(key.id, key.spec, expires))
    token = msgspec.msgpack.encode(_Token(expires, name, made.token.reveal()))
    expires_at = datetime.fromtimestamp(expires, UTC)
    return Effect(answer=ImportToken(token, made.public, expires_at), alg=WRAPPING_ALGORITHM)


async def _import(bench: Bench, caller: Caller, key: Key | None, request: ImportKey) -> Effect:
    key = require(key)
    version = key.current_version + 1
    name, root = bench.importing_root(key)
    imported = _imported(bench, key, request, name)
    material = await root.import_material(Binding(key.id, version, key.spec), imported)
    event = events.KeyImported(at=bench.now(), version=version, root_of_trust=name)
    return Effect(
        events=(event,),
        material=(PutMaterial(key.id, version, material),),
        alg=WRAPPING_ALGORITHM if isinstance(imported, WrappedImport) else None,
        previous_version=key.current_version,
        current_version=version,
    )


def _imported(bench: Bench, key: Key, request: ImportKey, root_of_trust: str) -> Imported:
    source = request.source
    if isinstance(source, PublicImport):
        return source
    if isinstance(source, PlainImport):
        if not bench.dev_mode:
            raise BadRequestError(
                "Material in the clear is for dev mode only; wrap it under an import token"
            )
        return source
    token = _parse(source.token)
    if token.expires <= bench.now().timestamp():
        raise BadRequestError("importToken has expired; ask for a new one")
    if token.root_of_trust != root_of_trust:
        raise BadRequestError("importToken is of another root of trust; ask for a new one")
    binding = TokenBinding(key.id, key.spec, token.expires)
    return WrappedImport(Secret(token.sealed), binding, source.wrapped)


def _parse(token: bytes) -> _Token:
    try:
        return msgspec.msgpack.decode(token, type=_Token)
    except (msgspec.DecodeError, ValueError):
        raise BadRequestError("importToken is not one of ours; ask for a new one") from None


CREATE_IMPORT_TOKEN: Declaration[CreateImportToken, ImportToken] = Declaration(
    Operation.CREATE_IMPORT_TOKEN, _create_token, costly=True
)
IMPORT: Declaration[ImportKey, KeyAnswer] = Declaration(
    Operation.IMPORT, _import, costly=True, changes=True
)
