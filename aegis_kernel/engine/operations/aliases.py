"""Operations that let an alias name a key, take the alias away, and list all aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_kernel.domain.alias import Alias, AliasDeleted, AliasSet
from aegis_kernel.domain.errors import KeyNotFoundError
from aegis_kernel.domain.key import Key, KeyId, key_stream
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.engine.aliases import append_alias
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages import (
    AliasList,
    DeleteAlias,
    ListAliases,
    NamedKey,
    SetAlias,
)
from aegis_kernel.engine.operations.reads import MAX_PAGES, position
from aegis_kernel.engine.operations.require import require

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench


async def _set(bench: Bench, caller: Caller, key: Key | None, request: SetAlias) -> Effect:
    key, alias = require(key), Alias(request.name)
    found = await bench.aliases.resolve(alias, fresh=True)
    expects, reason = [found.expects], f"alias={alias.name}"
    if found.key_id is not None and found.key_id != key.id:
        expects.append(await _permit_leaving(bench, caller, found.key_id, request))
        reason += f", moved from {found.key_id}"
    change = append_alias(alias, AliasSet(at=bench.now(), key_id=key.id))
    return Effect(
        answer=NamedKey(alias.name, key.id),
        expects=tuple(expects),
        appends=(change,) if found.key_id != key.id else (),
        reason=reason,
    )


async def _permit_leaving(
    bench: Bench, caller: Caller, key_id: KeyId, request: SetAlias
) -> tuple[str, int]:
    """Return what the commit expects of the key that loses the alias. No state of it forbids that."""
    old = await bench.streams.view(key_id, fresh=True)
    if old.key is not None:
        bench.authorize(caller, Operation.SET_ALIAS, old.key, request)
    return key_stream(key_id), old.sequence


async def _delete(bench: Bench, caller: Caller, key: Key | None, request: DeleteAlias) -> Effect:
    key, alias = require(key), Alias(request.name)
    found = await bench.aliases.resolve(alias)
    if found.key_id != key.id:
        raise KeyNotFoundError(f"{alias} does not name this key")
    return Effect(
        answer=NamedKey(alias.name, key.id),
        expects=(found.expects,),
        appends=(append_alias(alias, AliasDeleted(at=bench.now())),),
        reason=f"alias={alias.name}",
    )


async def _list(bench: Bench, caller: Caller, key: Key | None, request: ListAliases) -> Effect:
    shown: list[NamedKey] = []
    after: int | None = position(request.cursor)
    for _ in range(MAX_PAGES):
        if after is None or len(shown) == request.limit:
            break
        rows, after = await bench.aliases.page(after, request.limit - len(shown))
        for name, view in rows:
            if view.key is not None and bench.authority.may_read(caller, view.key):
                shown.append(NamedKey(name, view.key.id))
    return Effect(answer=AliasList(tuple(shown), None if after is None else str(after)))


SET_ALIAS: Declaration[SetAlias, NamedKey] = Declaration(
    Operation.SET_ALIAS, _set, changes=True, answers_with=NamedKey
)
DELETE_ALIAS: Declaration[DeleteAlias, NamedKey] = Declaration(
    Operation.DELETE_ALIAS, _delete, changes=True, answers_with=NamedKey
)
LIST_ALIASES: Declaration[ListAliases, AliasList] = Declaration(
    Operation.LIST_ALIASES, _list, recorded=False
)
