"""Short ways to say what many tests of the wire say."""

from __future__ import annotations

import httpx

SHAPE = {"error", "message"}


async def new_key(client: httpx.AsyncClient, **spec: object) -> str:
    """Create a key, AES-256 unless said otherwise, and return its id."""
    spec = {"name": "demo", "algorithm": "AES", "sizeBits": 256} | spec
    response = await client.post("/v1/keys", json={"spec": spec})
    key_id: str = response.json()["id"]
    return key_id


async def active_key(client: httpx.AsyncClient, **spec: object) -> str:
    """Create and activate a key, AES-256 unless said otherwise, and return its id."""
    key_id = await new_key(client, **spec)
    await client.post(f"/v1/keys/{key_id}/activate")
    return key_id


def assert_refused(response: httpx.Response, status: int, code: str) -> None:
    """Assert that the answer is this refusal, in the one shape, and has an id."""
    assert (response.status_code, response.json()["error"]) == (status, code), response.text
    assert set(response.json()) == SHAPE
    assert len(response.json()["message"]) < 400
    assert response.headers["content-type"] == "application/json"
    assert len(response.headers["x-request-id"]) == 32
