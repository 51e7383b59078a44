"""The whole wire: edge, then authentication, then the endpoints; Litestar routes what is left."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from litestar import Litestar, Request
from litestar.handlers import HTTPRouteHandler

from aegis_kernel.domain.errors import AegisError
from aegis_kernel.rest.answer import NO_STORE, Answer
from aegis_kernel.rest.authenticate import Authenticate
from aegis_kernel.rest.dispatch import Dispatch, Respond
from aegis_kernel.rest.docs import docs
from aegis_kernel.rest.edge import Edge, Limits
from aegis_kernel.rest.endpoint import Method, Page
from aegis_kernel.rest.endpoints import ENDPOINTS, PAGES
from aegis_kernel.rest.errors import allowed_methods, answer_to
from aegis_kernel.rest.openapi import build_document
from aegis_kernel.rest.paths import EncodedSegments
from aegis_kernel.rest.responder import Responder

if TYPE_CHECKING:
    from aegis_kernel.engine.kernel import Kernel

ROOT_OF_TRUST = "aegis.root_of_trust"

_PLACE = re.compile(r"{(\w+)}")


def build_app(kernel: Kernel, limits: Limits | None = None) -> Edge:
    """Return the ASGI application that serves `kernel`, which is open."""
    roots = [chosen.loaded.installed.name for chosen in kernel.settings.chosen(ROOT_OF_TRUST)]
    document = build_document(kernel.version, roots, kernel.settings.dev_mode)
    routes = [(e.method, e.path, Responder(e, kernel.pipeline)) for e in ENDPOINTS]
    handlers = [
        *(_handler(*route) for route in routes),
        *(_handler("GET", page.path, _page(page, kernel)) for page in PAGES),
        *(_handler("GET", path, _constant(answer)) for path, answer in docs(document).items()),
    ]
    litestar = Litestar(
        [*_options(handlers), *handlers],
        debug=False,
        openapi_config=None,
        logging_config=None,
        exception_handlers={Exception: _leave_to_edge},
        request_max_body_size=None,  # the edge bounds it
    )
    routed = EncodedSegments(Dispatch(litestar, routes))
    return Edge(Authenticate(routed, kernel.authentication), limits or Limits(), kernel.overloaded)


def _handler(method: Method, path: str, respond: Respond) -> HTTPRouteHandler:
    async def handle(request: Request[Any, Any, Any]) -> Answer:
        return await respond(request.scope, request.receive)

    litestar_path = _PLACE.sub(r"{\1:str}", path)
    # 200 is no promise: what is returned sends itself, with its own status.
    return HTTPRouteHandler(litestar_path, http_method=method, status_code=200)(handle)


def _page(page: Page, kernel: Kernel) -> Respond:
    async def respond(scope: Any, receive: Any) -> Answer:
        try:
            return await page.answer(kernel, scope)
        except AegisError as error:
            return answer_to(error, scope["state"]["request_id"])

    return respond


def _constant(answer: Answer) -> Respond:
    async def respond(scope: Any, receive: Any) -> Answer:
        return answer

    return respond


def _options(handlers: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    # Registered first, or Litestar makes its own, which leave HEAD out of Allow.
    methods: dict[str, set[str]] = {}
    for handler in handlers:
        for path in handler.paths:
            methods.setdefault(path, set()).update(handler.http_methods)
    return [
        _handler(
            "OPTIONS",
            path,
            _constant(Answer(204, b"", (NO_STORE, (b"allow", allowed_methods(allowed))))),
        )
        for path, allowed in methods.items()
    ]


def _leave_to_edge(request: Request[Any, Any, Any], error: Exception) -> Any:
    raise error
