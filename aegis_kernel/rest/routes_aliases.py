"""Endpoints that let aliases name keys."""

from __future__ import annotations

from msgspec.structs import replace

from aegis_kernel.domain.errors import IllegalOperationError, KeyNotFoundError
from aegis_kernel.engine import operations
from aegis_kernel.engine.operations import messages
from aegis_kernel.rest.endpoint import Endpoint
from aegis_kernel.rest.paths import alias_in, parse_key_name
from aegis_kernel.rest.schemas import Nothing, or_none, or_unset
from aegis_kernel.rest.schemas_aliases import (
    AliasPage,
    AliasView,
    ListAliasesQuery,
    SetAliasRequest,
)

_DEFAULTS = messages.ListAliases()
_EXAMPLE_ID = "8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"
_EXAMPLE = AliasView(name="invoices", key_id=_EXAMPLE_ID)


def _to_list(taken: ListAliasesQuery) -> messages.ListAliases:
    limit = or_none(taken.limit) or _DEFAULTS.limit
    return messages.ListAliases(limit=limit, cursor=or_none(taken.cursor))


def _page(answered: messages.AliasList, taken: ListAliasesQuery) -> AliasPage:
    return AliasPage(
        items=[_view(alias) for alias in answered.aliases],
        next_cursor=or_unset(answered.next_cursor),
    )


def _view(named: messages.NamedKey) -> AliasView:
    return AliasView(name=named.name, key_id=named.key_id)


LIST_ALIASES = Endpoint(
    method="GET",
    path="/v1/aliases",
    summary="List the aliases of the keys that the caller may read",
    declaration=operations.LIST_ALIASES,
    takes=ListAliasesQuery,
    gives=AliasPage,
    to_request=_to_list,
    to_response=_page,
    example=(ListAliasesQuery(limit=50), AliasPage(items=[_EXAMPLE])),
)

SET_ALIAS = Endpoint(
    method="PUT",
    path="/v1/aliases/{name}",
    summary="Let an alias name a key; one that named another key moves",
    declaration=operations.SET_ALIAS,
    takes=SetAliasRequest,
    gives=AliasView,
    to_request=lambda _: messages.SetAlias(""),
    place=lambda request, params: replace(request, name=alias_in(params).name),
    key_of=lambda taken, _: parse_key_name(taken.key_id),
    to_response=lambda answered, _: _view(answered),
    example=(SetAliasRequest(key_id=_EXAMPLE_ID), _EXAMPLE),
    errors=(KeyNotFoundError, IllegalOperationError),
)

DELETE_ALIAS = Endpoint(
    method="DELETE",
    path="/v1/aliases/{name}",
    summary="Take an alias away from its key, in whatever state the key is",
    declaration=operations.DELETE_ALIAS,
    takes=Nothing,
    gives=AliasView,
    to_request=lambda _: messages.DeleteAlias(""),
    place=lambda request, params: replace(request, name=alias_in(params).name),
    key_of=lambda _, params: alias_in(params),
    to_response=lambda answered, _: _view(answered),
    example=(Nothing(), _EXAMPLE),
    errors=(KeyNotFoundError,),
)
