"""From an endpoint to its answers: decode, run, encode. Knows ASGI, and no framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from aegis_kernel.domain.errors import AegisError, BadRequestError
from aegis_kernel.engine.pipeline import Pipeline
from aegis_kernel.rest.answer import Answer, json_answer
from aegis_kernel.rest.body import read_body
from aegis_kernel.rest.codec import BodyDecoder
from aegis_kernel.rest.endpoint import Endpoint
from aegis_kernel.rest.errors import answer_to
from aegis_kernel.rest.paths import parse_key_name
from aegis_kernel.rest.query import QueryDecoder
from aegis_kernel.rest.schemas import Query, Wire

Taken = TypeVar("Taken", bound=Wire)

_Read = Callable[[Any, Any], Awaitable[Any]]


class Responder:
    """Answers the requests of one endpoint. Everything that can be made beforehand is."""

    def __init__(self, endpoint: Endpoint[Any, Any, Any], pipeline: Pipeline) -> None:
        self._endpoint = endpoint
        self._pipeline = pipeline
        self._read = _reader(endpoint.takes)
        self._encode = msgspec.json.Encoder().encode

    async def __call__(self, scope: Any, receive: Any) -> Answer:
        """Return the answer, also to a refusal. The edge has put the caller into `scope`."""
        try:
            return await self._answer(scope, receive)
        except AegisError as error:
            return answer_to(error, scope["state"]["request_id"])

    async def _answer(self, scope: Any, receive: Any) -> Answer:
        endpoint = self._endpoint
        params = scope["path_params"]
        key_id = parse_key_name(params["id"]) if endpoint.names_a_key else None
        taken = await self._read(scope, receive)
        request = endpoint.to_request(taken)
        if endpoint.place is not None:
            request = endpoint.place(request, params)
        if endpoint.key_of is not None:
            key_id = endpoint.key_of(taken, params)
        answered = await self._pipeline.run(
            endpoint.declaration, scope["state"]["caller"], request, key_id
        )
        body = self._encode(endpoint.to_response(answered, taken))
        return json_answer(endpoint.status, body, endpoint.headers(answered))


def _reader(kind: type[Wire]) -> _Read:
    return _query_reader(kind) if issubclass(kind, Query) else _body_reader(kind)


def _body_reader(kind: type[Taken]) -> Callable[[Any, Any], Awaitable[Taken]]:
    decode = BodyDecoder(kind).decode

    async def read(scope: Any, receive: Any) -> Taken:
        if scope["query_string"]:
            raise BadRequestError("This request takes no query parameters")
        return decode(await read_body(receive))

    return read


def _query_reader(kind: type[Query]) -> Callable[[Any, Any], Awaitable[Query]]:
    decode = QueryDecoder(kind).decode

    async def read(scope: Any, receive: Any) -> Query:
        if await read_body(receive):
            raise BadRequestError("This request takes no body")
        return decode(scope["query_string"])

    return read
