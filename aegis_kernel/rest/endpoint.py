"""What an endpoint is: one row, from which the handler and the OpenAPI document are both made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import msgspec

from aegis_kernel.domain.alias import Alias
from aegis_kernel.domain.errors import AegisError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.engine.operations.declaration import Declaration
from aegis_kernel.engine.operations.messages import KeyAnswer
from aegis_kernel.rest.answer import JSON, Answer, Headers
from aegis_kernel.rest.paths import PathParams
from aegis_kernel.rest.schemas import Wire

if TYPE_CHECKING:
    from aegis_kernel.engine.kernel import Kernel

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

Taken = TypeVar("Taken", bound=Wire)
Request = TypeVar("Request")
Answered = TypeVar("Answered")


class HeaderField(msgspec.Struct, frozen=True):
    """A header that an endpoint's answers may have."""

    name: str
    description: str


class Endpoint(msgspec.Struct, Generic[Taken, Request, Answered], frozen=True, kw_only=True):
    """An operation on the wire. `{id}` in `path` is the key's id or alias.

    `takes` is a body, or, for subclasses of Query, a query string. `to_request` makes the kernel's
    request of it; `to_response` gets the kernel's answer and what was taken. `errors` are those
    beside the ones that every endpoint of its kind has. `example` is one of `takes`, beside one of
    what `to_response` returns. `place` puts what else stands in the path into the request;
    `key_of` says which key is meant where the path has no `{id}`.
    """

    method: Method
    path: str
    summary: str
    declaration: Declaration[Request, Answered]
    takes: type[Taken]
    gives: type[Wire]
    to_request: Callable[[Taken], Request]
    to_response: Callable[[Answered, Taken], Wire]
    example: tuple[Taken, Wire]
    status: int = 200
    errors: tuple[type[AegisError], ...] = ()
    place: Callable[[Request, PathParams], Request] | None = None
    key_of: Callable[[Taken, PathParams], KeyId | Alias] | None = None
    header: HeaderField | None = None
    header_value: Callable[[Answered], str | None] | None = None

    @property
    def names_a_key(self) -> bool:
        return "{id}" in self.path

    @property
    def can_be_tried(self) -> bool:
        """Whether `dryRun=true` asks if it would be allowed."""
        return self.names_a_key or self.declaration.changes

    def headers(self, answered: Answered) -> Headers:
        """Return the answer's own header, where it has one; a key's answer has its ETag."""
        if isinstance(answered, KeyAnswer):
            return ((b"etag", b'"%d"' % answered.sequence),)
        if self.header is None or self.header_value is None:
            return ()
        value = self.header_value(answered)
        return () if value is None else ((self.header.name.lower().encode(), value.encode()),)


class Outcome(msgspec.Struct, frozen=True):
    """What a page may answer: JSON of the type `gives`, or bytes of another content type."""

    status: int
    description: str
    gives: type[Wire] | None = None
    content_type: str = JSON.decode()


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A GET that is no operation: health, metrics, plugins. What is public needs no credentials."""

    path: str
    summary: str
    answer: Callable[[Kernel, Any], Awaitable[Answer]]
    outcomes: tuple[Outcome, ...]
    errors: tuple[type[AegisError], ...] = ()
    is_public: bool = True
