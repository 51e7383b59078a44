"""Grants over the wire: created, used by the grantee, listed, retired."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aegis_auth_hmac import JwtIssuer

from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.rest.app import build_app
from tests.support.kernel import settings

SECRET = "3f1e8a-a-secret-of-more-than-32-bytes-0c7b"
BODY = {"plaintextBase64": "aGVsbG8=", "context": {"tenant": "acme"}}
ASKED: dict[str, Any] = {
    "grantee": "bob",
    "operations": ["Encrypt", "Decrypt"],
    "context": {"tenant": "acme"},
    "ttlSeconds": 600,
    "maxUses": 2,
}


def bearer(subject: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {JwtIssuer.hmac(SECRET).issue(subject, [], 3600)}"}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server on which nobody is an admin; alice asks unless another is named."""
    chosen = settings(tmp_path, AEGIS_AUTH_KIND="hmac", AEGIS_AUTH_HMAC_SECRET=SECRET)
    async with Kernel(chosen) as kernel:
        transport = httpx.ASGITransport(build_app(kernel))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://aegis", headers=bearer("alice")
        ) as client:
            yield client


async def key_path(http: httpx.AsyncClient) -> str:
    spec = {"name": "granted", "algorithm": "AES", "sizeBits": 256}
    made = await http.post("/v1/keys", json={"spec": spec})
    path = f"/v1/keys/{made.json()['id']}"
    (await http.post(f"{path}/activate")).raise_for_status()
    return path


async def test_a_life_of_a_grant(http: httpx.AsyncClient) -> None:
    path, bob = await key_path(http), bearer("bob")
    assert (await http.post(f"{path}/encrypt", json=BODY, headers=bob)).status_code == 403
    created = await http.post(f"{path}/grants", json=ASKED)
    assert created.status_code == 201
    grant = created.json()
    assert set(grant) == {
        "id", "keyId", "grantee", "operations", "createdAt", "createdBy", "context", "expiresAt",
        "maxUses", "used",
    }  # fmt: skip
    assert (grant["operations"], grant["createdBy"]) == (["Decrypt", "Encrypt"], "alice")
    assert (await http.post(f"{path}/encrypt", json=BODY, headers=bob)).status_code == 200
    (shown,) = (await http.get(f"{path}/grants")).json()["items"]
    assert shown == grant | {"used": 1}
    retire = f"{path}/grants/{grant['id']}/retire"
    dry = await http.post(f"{retire}?dryRun=true", headers=bob)
    assert dry.json() == {"allowed": True, "reason": "the grant's grantee; key state=Active"}
    retired = await http.post(retire, json={"reason": "done"}, headers=bob)
    assert (retired.status_code, set(retired.json())) == (200, {"id", "retiredAt"})
    refused = await http.post(f"{path}/encrypt", json=BODY, headers=bob)
    never = await http.post(f"{path}/encrypt", json=BODY, headers=bearer("carol"))
    assert refused.status_code == never.status_code == 403
    assert refused.text == never.text.replace("carol", "bob")
    (shown,) = (await http.get(f"{path}/grants")).json()["items"]
    assert (shown["ended"], shown["retiredAt"]) == ("retired", retired.json()["retiredAt"])


async def test_bad_grants_are_refused_in_words(http: httpx.AsyncClient) -> None:
    path = await key_path(http)
    for change, said in (
        ({"operations": ["Encrypt", "Rotate"]}, "Rotate cannot be granted"),
        ({"operations": []}, "operations"),
        ({"expiresAt": "2099-01-01T00:00:00Z"}, "expiresAt or ttlSeconds"),
        ({"maxUses": 0}, "maxUses"),
        ({"maxUses": 1.5}, "maxUses"),
        ({"grantee": "böb"}, "grantee"),
        ({"unknown": 1}, "unknown"),
    ):
        refused = await http.post(f"{path}/grants", json=ASKED | change)
        assert (refused.status_code, refused.json()["error"]) == (400, "BadRequest"), change
        assert said in refused.json()["message"]
    asked = {name: value for name, value in ASKED.items() if name != "ttlSeconds"}
    for moment in (
        "2099-01-01T00:00:00",
        "9999-12-31T23:59:59-10:00",
        "0001-01-01T00:00:00+10:00",
        "2020-01-01T00:00:00Z",
    ):
        refused = await http.post(f"{path}/grants", json=asked | {"expiresAt": moment})
        assert refused.status_code == 400, moment
    unknown = f"{path}/grants/8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9/retire"
    for missing in (unknown, f"{path}/grants/nonsense/retire"):
        refused = await http.post(missing)
        assert (refused.status_code, refused.json()["error"]) == (404, "NotFound")
