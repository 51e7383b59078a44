"""The short way: it leads where the long one leads, and takes only what is an endpoint's own."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from aegis_kernel.rest.answer import Answer
from aegis_kernel.rest.dispatch import Dispatch, Route
from aegis_kernel.rest.endpoints import ENDPOINTS

VALUES = {
    "id": "0b9d1f6e-0000-4000-8000-000000000001",
    "name": "invoices",
    "version": "2",
    "agentId": "a1",
    "grantId": "g1",
}
TABLE = [(endpoint.method, endpoint.path) for endpoint in ENDPOINTS]
MISSED = Answer(404, b"the framework's", ())


def route(method: Any, path: str) -> Route:
    async def respond(scope: Any, receive: Any) -> Answer:
        return Answer(200, f"{method} {path} {scope['path_params']}".encode(), ())

    return method, path, respond


@pytest.fixture
def dispatch() -> Dispatch:
    return Dispatch(MISSED, [route(*row) for row in TABLE])


async def asked(dispatch: Dispatch, method: str, path: str) -> str:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(dispatch), base_url="http://aegis"
    ) as client:
        return (await client.request(method, path)).text


@pytest.mark.parametrize(("method", "path"), TABLE)
async def test_every_endpoint_is_found_with_what_stands_in_its_path(
    dispatch: Dispatch, method: str, path: str
) -> None:
    names = re.findall(r"{(\w+)}", path)
    params = {name: VALUES[name] for name in names}

    found = await asked(dispatch, method, path.format(**VALUES))

    assert found == f"{method} {path} {params}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1/keys/"),
        ("POST", "/v1/keys//encrypt"),
        ("GET", "/v1/keys/k/encrypt"),
        ("OPTIONS", "/v1/keys"),
        ("POST", "/v1/keys/k/versions/2"),
        ("POST", "/v1/keys/k/encrypt/further"),
        ("GET", "/healthz"),
    ],
)
async def test_other_methods_spellings_and_paths_are_left_to_the_framework(
    dispatch: Dispatch, method: str, path: str
) -> None:
    assert await asked(dispatch, method, path) == MISSED.body.decode()


async def test_another_spelling_of_a_path_has_the_same_answer(
    alice: httpx.AsyncClient, key_id: str
) -> None:
    short, long = [await alice.get(f"/v1/keys/{key_id}{end}") for end in ("", "/")]

    assert (short.status_code, short.json()) == (long.status_code, long.json())
