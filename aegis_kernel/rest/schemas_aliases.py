"""What travels about aliases."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from aegis_kernel.domain.alias import PATTERN
from aegis_kernel.rest.schemas import Query, Wire

UUID_PATTERN = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
KEY_NAME_PATTERN = f"^({UUID_PATTERN}|alias:{PATTERN})$"

KeyName = Annotated[
    str,
    Meta(
        description="A key's id, or alias: and the name of one of its aliases.",
        extra_json_schema={"pattern": KEY_NAME_PATTERN},
    ),
]


class SetAliasRequest(Wire, frozen=True):
    key_id: KeyName


class AliasView(Wire, frozen=True):
    name: str
    key_id: str


class AliasPage(Wire, frozen=True):
    items: list[AliasView]
    next_cursor: str | UnsetType = UNSET


class ListAliasesQuery(Query, frozen=True):
    limit: Annotated[int, Meta(ge=1, le=500)] | UnsetType = UNSET
    cursor: Annotated[str, Meta(pattern=r"^[0-9]{1,18}$")] | UnsetType = UNSET
