"""From an endpoint to its answers: decode, run, encode. Knows ASGI, and no framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from aegis_kernel.domain.alias import Alias
from aegis_kernel.domain.errors import AegisError, BadRequestError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.engine.operations.declaration import Caller, Terms
from aegis_kernel.engine.pipeline import Pipeline
from aegis_kernel.rest.answer import Answer, json_answer
from aegis_kernel.rest.body import read_body
from aegis_kernel.rest.codec import BodyDecoder
from aegis_kernel.rest.endpoint import Endpoint
from aegis_kernel.rest.errors import answer_to
from aegis_kernel.rest.paths import parse_key_name
from aegis_kernel.rest.query import QueryDecoder
from aegis_kernel.rest.schemas import DryRunView, Query, Wire
from aegis_kernel.rest.terms import IDEMPOTENCY_KEY, IF_MATCH, read_terms, split_dry_run

Taken = TypeVar("Taken", bound=Wire)

_Read = Callable[[bytes, Any], Awaitable[Any]]


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
        endpoint, state = self._endpoint, scope["state"]
        params, headers = scope["path_params"], state["headers"]
        key_id = parse_key_name(params["id"]) if endpoint.names_a_key else None
        terms = None
        if IF_MATCH in headers or IDEMPOTENCY_KEY in headers:
            terms = read_terms(scope, headers, names_a_key=endpoint.names_a_key)
        query, is_dry = scope["query_string"], False
        if query and endpoint.can_be_tried:
            is_dry, query = split_dry_run(query)
        taken = await self._read(query, receive)
        request = endpoint.to_request(taken)
        if endpoint.place is not None:
            request = endpoint.place(request, params)
        if endpoint.key_of is not None:
            key_id = endpoint.key_of(taken, params)
        if is_dry:
            return await self._try_out(state["caller"], request, key_id, terms)
        answered = await self._pipeline.run(
            endpoint.declaration, state["caller"], request, key_id, terms
        )
        body = self._encode(endpoint.to_response(answered, taken))
        return json_answer(endpoint.status, body, endpoint.headers(answered))

    async def _try_out(
        self, caller: Caller, request: Any, key_id: KeyId | Alias | None, terms: Terms | None
    ) -> Answer:
        declaration = self._endpoint.declaration
        allowance = await self._pipeline.try_out(declaration, caller, request, key_id, terms)
        return json_answer(200, self._encode(DryRunView(allowance.allowed, allowance.reason)))


def _reader(kind: type[Wire]) -> _Read:
    return _query_reader(kind) if issubclass(kind, Query) else _body_reader(kind)


def _body_reader(kind: type[Taken]) -> Callable[[bytes, Any], Awaitable[Taken]]:
    decode = BodyDecoder(kind).decode

    async def read(query: bytes, receive: Any) -> Taken:
        if query:
            raise BadRequestError("This request takes no query parameters")
        return decode(await read_body(receive))

    return read


def _query_reader(kind: type[Query]) -> Callable[[Any, Any], Awaitable[Query]]:
    decode = QueryDecoder(kind).decode

    async def read(query: bytes, receive: Any) -> Query:
        if await read_body(receive):
            raise BadRequestError("This request takes no body")
        return decode(query)

    return read
