"""Strangers get 401 before routing and before their body, and nothing else."""

from __future__ import annotations

import httpx
import pytest

from aegis_kernel.rest.authenticate import is_public
from aegis_kernel.rest.endpoints import ENDPOINTS, PAGES
from tests.support.wire import assert_refused

ID = "8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"
PUBLIC = ["/docs", "/docs/", "/docs/docs.yaml", "/docs/docs.json", "/healthz", "/livez", "/readyz"]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
async def test_every_endpoint_needs_a_caller(stranger: httpx.AsyncClient, endpoint: object) -> None:
    method, path = (
        endpoint.method,
        endpoint.path.format(id=ID, name="invoices", version=1, agentId=ID, grantId=ID),
    )  # type: ignore[attr-defined]
    response = await stranger.request(method, path)
    assert_refused(response, 401, "Unauthorized")
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/v1/nothing"), ("PUT", "/v1/keys"), ("OPTIONS", "/v1/keys"),
     ("HEAD", "/v1/keys"), ("GET", "/v1/plugins"), ("GET", "/docsx"), ("GET", "//docs"),
     ("GET", "/livez/"), ("GET", "/metrics/x"), ("GET", "/DOCS")],
)  # fmt: skip
async def test_a_stranger_does_not_learn_what_is_where(
    stranger: httpx.AsyncClient, method: str, path: str
) -> None:
    assert (await stranger.request(method, f"http://aegis{path}")).status_code == 401


async def test_a_strangers_body_is_not_looked_at(stranger: httpx.AsyncClient) -> None:
    async def endless() -> object:
        yield b'{"spec":'
        raise AssertionError("the body was read")

    headers = {"Content-Type": "application/json"}
    response = await stranger.post("/v1/keys", content=endless(), headers=headers)
    assert_refused(response, 401, "Unauthorized")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", PUBLIC)
async def test_anybody_may_see_what_is_public(
    stranger: httpx.AsyncClient, method: str, path: str
) -> None:
    assert (await stranger.request(method, path)).status_code == 200


@pytest.mark.parametrize(
    "path",
    [f"/docs/../v1/keys/{ID}", f"/docs/%2e%2e/v1/keys/{ID}", f"/docs//v1/keys/{ID}",
     f"/docs/;/v1/keys/{ID}", "/docs/assets/../../../pyproject.toml",
     "/docs/assets/%2e%2e/edge.py", "/docs/assets/", "/docs/assets/index.html", "/docs/x"],
)  # fmt: skip
async def test_no_public_path_leads_anywhere_else(stranger: httpx.AsyncClient, path: str) -> None:
    request = httpx.Request("GET", "http://aegis/")
    request.url = request.url.copy_with(raw_path=path.encode())
    assert (await stranger.send(request)).status_code in (401, 404)


@pytest.mark.parametrize(
    "headers",
    [[], [("X-Aegis-User", "")], [("X-Aegis-User", "al ice")], [("X-Aegis-User", "a" * 257)],
     [("X-Aegis-User", "alice"), ("X-Aegis-User", "bob")],
     [("X-Aegis-User", "alice"), ("x-aegis-user", "alice")], [("Authorization", "Bearer x")]],
)  # fmt: skip
async def test_whoever_is_not_known_for_sure_is_a_stranger(
    stranger: httpx.AsyncClient, headers: list[tuple[str, str]]
) -> None:
    response = await stranger.get("/v1/keys", headers=headers)
    assert_refused(response, 401, "Unauthorized")
    assert response.json()["message"] == "Missing or invalid credentials"


def test_the_table_and_the_public_paths_agree() -> None:
    assert not any(is_public(endpoint.path) for endpoint in ENDPOINTS)
    assert all(is_public(page.path) == page.is_public for page in PAGES)
