"""Query strings: every parameter is known, and comes once."""

from __future__ import annotations

from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.rest.codec import refusal

MAX_PARAMETERS = 16

Query = TypeVar("Query", bound=msgspec.Struct)


class QueryDecoder(Generic[Query]):
    """Decodes query strings of one type, whose fields are text, enums or whole numbers."""

    def __init__(self, kind: type[Query]) -> None:
        self._kind = kind
        properties = msgspec.json.schema_components([kind])[1][kind.__name__]["properties"]
        self._numbers = frozenset(
            name for name, schema in properties.items() if schema.get("type") == "integer"
        )

    def decode(self, query: bytes) -> Query:
        """Return the value of `query`. Raises BadRequestError; a parameter without value is one."""
        parameters = _parse(query) if query else {}
        for name in self._numbers & parameters.keys():
            parameters[name] = _number(name, parameters[name])
        try:
            return msgspec.convert(parameters, type=self._kind)
        except msgspec.ValidationError as error:
            raise refusal(error) from None


def _parse(query: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:
        raise BadRequestError("The query string is not name=value pairs in UTF-8") from None
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise BadRequestError("A query parameter came twice")
    if any("\0" in value for value in parameters.values()):
        raise BadRequestError("Text must not contain NUL")
    return parameters


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise BadRequestError(f"{name} must be a whole number")
    return int(text)
