"""Who asks: decided before routing and before the body, so that strangers learn nothing."""

from __future__ import annotations

from typing import Any

from aegis_kernel.engine.authentication import Authentication
from aegis_kernel.engine.operations.declaration import Caller

JWKS_PATH = "/.well-known/jwks.json"
PUBLIC_PATHS = frozenset({"/docs", "/metrics", "/healthz", "/livez", "/readyz", JWKS_PATH})
PUBLIC_PREFIX = "/docs/"


class Authenticate:
    """Wraps an ASGI application: puts the Caller into the scope's state, or raises.

    Raises UnauthorizedError or UnavailableError to the edge, which answers.
    """

    def __init__(self, app: Any, authentication: Authentication) -> None:
        self._app = app
        self._authentication = authentication

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let the request pass once it is known who asks, or that it does not matter."""
        if scope["type"] == "http" and not is_public(scope["path"]):
            await self._identify(scope)
        await self._app(scope, receive, send)

    async def _identify(self, scope: Any) -> None:
        state = scope["state"]
        client = scope.get("client")
        source_ip = client[0] if client else None
        principal = await self._authentication.authenticate(
            scope["headers"], source_ip, state["request_id"]
        )
        state["caller"] = Caller(principal, state["request_id"], source_ip, state["headers"])


def is_public(path: str) -> bool:
    """Return whether anybody may ask for `path`."""
    return path in PUBLIC_PATHS or path.startswith(PUBLIC_PREFIX)
