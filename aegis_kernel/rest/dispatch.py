"""The short way from a path to its endpoint, past the framework that routes everything else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec

from aegis_kernel.rest.answer import Answer
from aegis_kernel.rest.endpoint import Method

Respond = Callable[[Any, Any], Awaitable[Answer]]
Route = tuple[Method, str, Respond]


class _Node(msgspec.Struct, gc=False):
    """What may follow a beginning of a path: these segments, else `any` one; and who answers here."""

    segments: dict[str, _Node] = {}
    any: _Node | None = None
    names: tuple[str, ...] = ()
    methods: dict[str, Respond] = {}


class Dispatch:
    """Wraps an ASGI application: answers exactly the `routes`, and leaves everything else to it.

    It must know the same routes: it gets the other methods of a path (405), and other spellings
    such as a trailing slash.
    """

    def __init__(self, app: Any, routes: Iterable[Route]) -> None:
        self._app = app
        self._root = _Node()
        for method, path, respond in routes:
            node = self._root
            names: tuple[str, ...] = ()
            for segment in path.split("/"):
                if segment.startswith("{"):
                    node.any = node.any or _Node()
                    names, node = (*names, segment[1:-1]), node.any
                else:
                    node = node.segments.setdefault(segment, _Node())
            node.names, node.methods[method] = names, respond

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, with `path_params` in the scope, or hand the request on."""
        respond = self._find(scope) if scope["type"] == "http" else None
        if respond is None:
            await self._app(scope, receive, send)
            return
        answer = await respond(scope, receive)
        await answer(scope, receive, send)

    def _find(self, scope: Any) -> Respond | None:
        node, values = self._root, []
        for segment in scope["path"].split("/"):
            following = node.segments.get(segment)
            if following is None:
                following = node.any if segment else None
                if following is None:
                    return None
                values.append(segment)
            node = following
        respond = node.methods.get(scope["method"])
        if respond is not None:
            scope["path_params"] = dict(zip(node.names, values, strict=True))
        return respond
