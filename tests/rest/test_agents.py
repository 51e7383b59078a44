"""Agents over the wire: issued, used with their token, listed, revoked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.rest.app import build_app
from tests.support.kernel import settings

ALICE = {"X-Aegis-User": "alice"}


async def test_a_life_of_an_agent(tmp_path: Path) -> None:
    async with Kernel(settings(tmp_path)) as kernel:
        transport = httpx.ASGITransport(build_app(kernel))
        async with httpx.AsyncClient(transport=transport, base_url="http://aegis") as http:
            spec = {"name": "for agents", "algorithm": "AES", "sizeBits": 256}
            made = await http.post("/v1/keys", json={"spec": spec}, headers=ALICE)
            path = f"/v1/keys/{made.json()['id']}"
            await http.post(f"{path}/activate", headers=ALICE)
            issued = await http.post("/v1/agents", json=asked(made.json()["id"]), headers=ALICE)
            assert issued.status_code == 201
            agent = issued.json()
            assert set(agent) == {"id", "label", "parent", "scopes", "expiresAt", "token"}
            assert agent["scopes"] == asked(made.json()["id"])["scopes"]
            as_agent = {"Authorization": f"Bearer {agent['token']}"}
            body = {"plaintextBase64": "aGVsbG8=", "context": {"tenant": "acme"}}
            used = await http.post(f"{path}/encrypt", json=body, headers=as_agent)
            assert used.status_code == 200
            refused = await http.post(
                f"{path}/encrypt", json=body | {"context": {}}, headers=as_agent
            )
            assert refused.json()["error"] == "PermissionDenied"
            listed = (await http.get("/v1/agents", headers=ALICE)).json()["items"]
            assert [each["id"] for each in listed] == [agent["id"]]
            assert "token" not in listed[0]
            ended = await http.post(
                f"/v1/agents/{agent['id']}/revoke", json={"reason": "done"}, headers=ALICE
            )
            assert set(ended.json()) == {"id", "revokedAt"}
            after = await http.post(f"{path}/encrypt", json=body, headers=as_agent)
            nobody = await http.post(f"{path}/encrypt", json=body)
            assert after.status_code == nobody.status_code == 401
            assert after.content == nobody.content
            shown = (await http.get(f"/v1/agents/{agent['id']}", headers=ALICE)).json()
            assert (shown["ended"], shown["reason"]) == ("agent revoked", "done")
            cut = await http.post("/v1/agents/revoke", json={"parent": "alice"}, headers=ALICE)
            assert cut.json() == {"revoked": 0}


async def test_an_unknown_operation_is_named_and_an_answer_is_not_told_twice(
    tmp_path: Path,
) -> None:
    async with Kernel(settings(tmp_path)) as kernel:
        transport = httpx.ASGITransport(build_app(kernel))
        async with httpx.AsyncClient(transport=transport, base_url="http://aegis") as http:
            bad = asked("*")
            bad["scopes"][0]["operations"] = ["Encrypt", "Encypt"]
            refused = await http.post("/v1/agents", json=bad, headers=ALICE)
            assert refused.status_code == 400
            assert "Encypt" in refused.json()["message"]
            once = ALICE | {"Idempotency-Key": "once"}
            first = await http.post("/v1/agents", json=asked("*"), headers=once)
            again = await http.post("/v1/agents", json=asked("*"), headers=once)
            assert (first.status_code, again.status_code) == (201, 409)
            assert first.json()["id"] in again.json()["message"]
            unknown = await http.get(
                "/v1/agents/8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9", headers=ALICE
            )
            assert (unknown.status_code, unknown.json()["error"]) == (404, "NotFound")


def asked(key_id: str) -> dict[str, Any]:
    scope = {"keys": [key_id], "operations": ["Decrypt", "Encrypt"], "context": {"tenant": "acme"}}
    return {"label": "reader", "scopes": [scope], "ttlSeconds": 600}
