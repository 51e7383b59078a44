"""What stands in a path: names of keys and aliases, and slashes inside a segment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from aegis_kernel.domain.alias import PATTERN, RESERVED, Alias, parse_alias, parse_alias_name
from aegis_kernel.domain.errors import BadRequestError, KeyNotFoundError
from aegis_kernel.domain.key import KeyId, parse_key_id

PathParams = Mapping[str, str]


class EncodedSegments:
    """Wraps an ASGI application: keeps `%2F` inside a segment apart from the slashes between them.

    A server hands on the decoded path, in which both look alike, yet an alias may contain a slash.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Hand the request on; where a segment has a slash or a percent sign, that is spelled %."""
        if scope["type"] == "http" and b"%2" in scope.get("raw_path", b""):
            segments = scope["raw_path"].decode("ascii", "replace").split("/")
            path = "/".join(quote(unquote(segment), safe=" :@$&'()*+,;=") for segment in segments)
            scope = {**scope, "path": path}
        return self._app(scope, receive, send)


def parse_key_name(text: str) -> KeyId | Alias:
    """Return the key's id or alias. Raises KeyNotFoundError for any other spelling."""
    named = parse_key_id(text) or parse_alias(unquote(text))
    if named is None:
        raise KeyNotFoundError(
            "No such key: an id is a lower-case UUID with dashes, an alias begins with alias:"
        )
    return named


def alias_in(params: PathParams) -> Alias:
    """Return the alias that `{name}` spells. Raises BadRequestError for a name that none can have."""
    alias = parse_alias_name(unquote(params["name"]))
    if alias is None:
        raise BadRequestError(f"An alias matches {PATTERN} and does not begin with {RESERVED}")
    return alias


def version_in(params: PathParams) -> int:
    """Return the version that `{version}` spells. Raises BadRequestError for what is no number."""
    text = params["version"]
    if not text.isascii() or not text.isdigit() or len(text) > 9 or text.startswith("0"):
        raise BadRequestError("A version is a whole number from 1")
    return int(text)
