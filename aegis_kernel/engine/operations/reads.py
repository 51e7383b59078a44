"""Operations that read: they ask the store, not a cache, and are recorded only when refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages import (
    GetKey,
    KeyAnswer,
    KeyDetails,
    KeyList,
    ListKeys,
)
from aegis_kernel.engine.operations.messages_public_keys import GetPublicKey, PublicKey
from aegis_kernel.engine.operations.require import require
from aegis_kernel.engine.streams import decode_snapshot
from aegis_kernel.spi.journal import Query

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench

MAX_LIMIT = 500
# A list whose reader may see few keys stops after so many pages and hands out a cursor.
MAX_PAGES = 5


async def _get(bench: Bench, caller: Caller, key: Key | None, request: GetKey) -> Effect:
    key_id = require(key).id
    aliases, usage = await bench.aliases.of(key_id), await bench.usage.of(key_id)
    return Effect(details=KeyDetails(aliases, usage))


async def _get_public_key(
    bench: Bench, caller: Caller, key: Key | None, request: GetPublicKey
) -> Effect:
    key = require(key)
    version = key.version(request.key_version or key.current_version)
    if version is None:
        raise BadRequestError(f"version must be 1 to {key.current_version}")
    opened = await bench.open(key, version.number)
    der = opened.key.public_key
    if der is None:
        raise BadRequestError(f"An {key.spec.algorithm} key has no public key")
    return Effect(
        answer=PublicKey(der, key.id, version.number, key.spec.algorithm, key.spec.is_hybrid)
    )


async def _list(bench: Bench, caller: Caller, key: Key | None, request: ListKeys) -> Effect:
    shown: list[Key] = []
    query = _query(request, bench.authority.readable_owner(caller))
    for _ in range(MAX_PAGES):
        page = await bench.journal.find(query)
        for number, found in enumerate(page.items, 1):
            found_key = decode_snapshot(found.stored.snapshot)
            if bench.authority.may_read(caller, found_key):
                shown.append(found_key)
            if len(shown) == request.limit:
                more = page.more or number < len(page.items)
                return _answer(shown, found.position, more=more)
        query = replace(query, after=page.last, limit=MAX_LIMIT)
        if not page.more:
            break
    return _answer(shown, query.after, more=page.more)


def _answer(shown: list[Key], after: int, *, more: bool) -> Effect:
    return Effect(answer=KeyList(tuple(shown), str(after) if more else None))


def position(cursor: str | None) -> int:
    """Return where a list goes on, 0 for its beginning. Raises BadRequestError for another text."""
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise BadRequestError("cursor must be the nextCursor of an earlier page")
    return int(cursor)


def _query(request: ListKeys, owner: str | None) -> Query:
    key, equals, value = (request.tag or "").partition("=")
    return Query(
        prefix="key/",
        state=request.state,
        name=request.name,
        algorithm=request.algorithm,
        owner=owner,
        tag=(key, value if equals else None) if request.tag else None,
        after=position(request.cursor),
        limit=request.limit,
    )


GET: Declaration[GetKey, KeyAnswer] = Declaration(Operation.GET, _get, recorded=False)
GET_PUBLIC_KEY: Declaration[GetPublicKey, PublicKey] = Declaration(
    Operation.GET_PUBLIC_KEY, _get_public_key, recorded=False
)
LIST: Declaration[ListKeys, KeyList] = Declaration(Operation.LIST, _list, recorded=False)
