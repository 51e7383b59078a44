"""What each endpoint answers: exactly the fields of the contract, in its spelling."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

import httpx
import pytest

from aegis_kernel.domain.spec import CURVES, SIZES_BITS, Algorithm
from tests.support.wire import active_key, new_key

MESSAGE = b64encode(b"invoice #1234 total $42,000").decode()
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").fullmatch


async def post(client: httpx.AsyncClient, path: str, body: Any = None) -> Any:
    response = await (client.post(path, json=body) if body is not None else client.post(path))
    assert response.status_code == 200, response.text
    return response.json()


async def test_create_answers_the_five_fields(alice: httpx.AsyncClient) -> None:
    spec = {"name": "demo", "algorithm": "AES", "sizeBits": 256, "objectType": "SymmetricKey"}
    response = await alice.post("/v1/keys", json={"spec": spec})
    body = response.json()
    assert response.status_code == 201
    assert list(body) == ["id", "spec", "state", "currentVersion", "createdAt"]
    assert body["spec"] == spec
    assert (body["state"], body["currentVersion"]) == ("PreActive", 1)
    assert TIME(body["createdAt"])


async def test_create_answers_what_was_asked_for_beside_the_spec(alice: httpx.AsyncClient) -> None:
    asked = {"rootOfTrust": "inmemory", "tags": {"team": "pay"}, "description": "for invoices"}
    spec = {"name": "demo", "algorithm": "HMAC", "sizeBits": 256}
    created = (await alice.post("/v1/keys", json={"spec": spec} | asked)).json()
    assert {name: created[name] for name in asked} == asked
    assert created["spec"] == spec | {"objectType": "SymmetricKey"}
    view = (await alice.get(f"/v1/keys/{created['id']}")).json()
    assert {name: view[name] for name in asked} == asked


async def test_the_wire_takes_every_spec_that_the_law_knows(alice: httpx.AsyncClient) -> None:
    specs = [
        {"algorithm": algorithm.value, "sizeBits": size}
        for algorithm, sizes in SIZES_BITS.items()
        for size in sizes
        if algorithm is not Algorithm.RSA or size == 2048  # larger ones only take longer
    ] + [{"algorithm": a.value, "curve": c.value} for a, curves in CURVES.items() for c in curves]
    for spec in specs:
        response = await alice.post("/v1/keys", json={"spec": spec | {"name": "n"}})
        assert response.status_code == 201, (spec, response.text)
        view = (await alice.get(f"/v1/keys/{response.json()['id']}")).json()
        assert view["spec"].items() >= spec.items()


async def test_a_key_view_says_what_is_set_and_its_sequence(alice: httpx.AsyncClient) -> None:
    key_id = await new_key(alice)
    response = await alice.get(f"/v1/keys/{key_id}")
    fields = ["id", "spec", "state", "currentVersion", "createdAt", "owner", "rootOfTrust"]
    assert list(response.json()) == fields
    assert response.headers["etag"] == '"1"'
    await post(alice, f"/v1/keys/{key_id}/activate")
    response = await alice.get(f"/v1/keys/{key_id}")
    assert response.headers["etag"] == '"2"'
    assert TIME(response.json()["activatedAt"])


async def test_transitions_answer_what_they_changed(alice: httpx.AsyncClient) -> None:
    key_id = await new_key(alice)
    body = await post(alice, f"/v1/keys/{key_id}/activate")
    assert (list(body), body["state"]) == (["id", "state", "activatedAt"], "Active")
    body = await post(alice, f"/v1/keys/{key_id}/rotate", {"reason": "scheduled-rotation"})
    assert list(body) == ["id", "previousVersion", "currentVersion", "rotatedAt"]
    assert (body["previousVersion"], body["currentVersion"]) == (1, 2)
    body = await post(alice, f"/v1/keys/{key_id}/deactivate", {})
    assert (list(body), body["state"]) == (["id", "state", "deactivatedAt"], "Deactivated")
    body = await post(alice, f"/v1/keys/{key_id}/compromise", {"reason": "leaked"})
    assert list(body) == ["id", "state", "compromisedAt", "reason"]
    assert (body["state"], body["reason"]) == ("Compromised", "leaked")
    assert TIME(body["compromisedAt"])


async def test_destruction_is_accepted_and_can_be_cancelled(alice: httpx.AsyncClient) -> None:
    key_id = await active_key(alice)
    response = await alice.delete(f"/v1/keys/{key_id}?pendingDays=7")
    assert response.status_code == 202
    assert list(response.json()) == ["id", "state", "destroyAt"]
    assert response.json()["state"] == "Deactivated"
    assert (await alice.delete(f"/v1/keys/{key_id}")).status_code == 409
    body = await post(alice, f"/v1/keys/{key_id}/cancel-destruction")
    assert body == {"id": key_id, "state": "Deactivated"}


async def test_sign_and_verify(alice: httpx.AsyncClient, key_id: str) -> None:
    signed = await post(
        alice, f"/v1/keys/{key_id}/sign", {"messageBase64": MESSAGE, "algorithm": "RsaPssSha256"}
    )
    assert list(signed) == ["signatureBase64", "algorithm", "keyVersion"]
    assert (signed["algorithm"], signed["keyVersion"]) == ("RsaPssSha256", 1)
    request = {
        "messageBase64": MESSAGE,
        "signatureBase64": signed["signatureBase64"],
        "algorithm": "RsaPssSha256",
    }
    verified = await alice.post(f"/v1/keys/{key_id}/verify", json=request)
    assert verified.json() == {"valid": True, "algorithm": "RsaPssSha256"}
    assert verified.headers["x-aegis-key-version"] == "1"
    tampered = request | {"messageBase64": b64encode(b"another").decode()}
    verified = await alice.post(f"/v1/keys/{key_id}/verify", json=tampered)
    assert (verified.status_code, verified.json()["valid"]) == (200, False)
    assert "x-aegis-key-version" not in verified.headers


async def test_encrypt_and_decrypt(alice: httpx.AsyncClient, key_id: str) -> None:
    context = {"dataset": "q2-financials", "tenant": "acme: Zürich"}
    encrypted = await post(
        alice, f"/v1/keys/{key_id}/encrypt", {"plaintextBase64": MESSAGE, "context": context}
    )
    assert list(encrypted) == ["ciphertextBase64", "keyVersion", "algorithm"]
    assert encrypted["algorithm"] == "AesGcm256"
    ciphertext = {"ciphertextBase64": encrypted["ciphertextBase64"]}
    decrypted = await post(alice, f"/v1/keys/{key_id}/decrypt", ciphertext | {"context": context})
    assert decrypted == {"plaintextBase64": MESSAGE, "keyVersion": 1, "algorithm": "AesGcm256"}
    refused = await alice.post(f"/v1/keys/{key_id}/decrypt", json=ciphertext)
    assert refused.status_code == 400
    assert refused.json() == {
        "error": "DecryptionFailed",
        "message": "EncryptionContext mismatch — refusing to decrypt",
    }


async def test_wrap_and_unwrap(alice: httpx.AsyncClient, key_id: str) -> None:
    key_bytes = b64encode(bytes(range(32))).decode()
    wrapped = await post(alice, f"/v1/keys/{key_id}/wrap", {"plaintextBase64": key_bytes})
    assert list(wrapped) == ["wrappedKeyBase64", "keyVersion", "algorithm"]
    assert wrapped["algorithm"] == "AesKeyWrap256"
    request = {"wrappedKeyBase64": wrapped["wrappedKeyBase64"]}
    unwrapped = await post(alice, f"/v1/keys/{key_id}/unwrap", request)
    assert unwrapped == {"plaintextBase64": key_bytes, "keyVersion": 1}


async def test_a_list_goes_on_where_the_page_before_ended(alice: httpx.AsyncClient) -> None:
    ids = [await new_key(alice, name="paged", algorithm="HMAC") for _ in range(5)]
    seen: list[str] = []
    query = "name=paged&limit=2"
    while query:
        page = (await alice.get(f"/v1/keys?{query}")).json()
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        cursor = page.get("nextCursor")
        query = f"name=paged&limit=2&cursor={cursor}" if cursor else ""
    assert seen == ids


@pytest.mark.parametrize(
    ("query", "found"),
    [({"state": "PreActive"}, 1), ({"state": "Active"}, 0), ({"algorithm": "HMAC"}, 1),
     ({"algorithm": "AES"}, 0), ({"tag": "team"}, 1), ({"tag": "team=pay"}, 1),
     ({"tag": "team=tax"}, 0), ({"tag": "other"}, 0)],
)  # fmt: skip
async def test_a_list_is_filtered(
    alice: httpx.AsyncClient, query: dict[str, str], found: int
) -> None:
    name = f"filtered by {query}"
    spec = {"name": name, "algorithm": "HMAC", "sizeBits": 256}
    await alice.post("/v1/keys", json={"spec": spec, "tags": {"team": "pay"}})
    page = await alice.get("/v1/keys", params=query | {"name": name})
    assert len(page.json()["items"]) == found


async def test_health_says_how_every_component_is_but_no_detail(
    stranger: httpx.AsyncClient,
) -> None:
    response = await stranger.get("/healthz")
    assert response.status_code == 200
    assert list(response.json()) == ["status", "version", "components"]
    assert {"port": "journal", "kind": "memory", "status": "ok"} in response.json()["components"]


async def test_the_plugins_in_use_are_named(alice: httpx.AsyncClient) -> None:
    items = (await alice.get("/v1/plugins")).json()["items"]
    dev = {
        "group": "aegis.authenticator",
        "name": "dev",
        "distribution": "aegis-auth-dev",
        "version": "0.1.1",
    }
    assert dev in items


async def test_nobody_may_keep_an_answer(alice: httpx.AsyncClient, key_id: str) -> None:
    for path in (f"/v1/keys/{key_id}", "/v1/keys/nothing", "/healthz", "/v1/nothing", "/docs/"):
        headers = (await alice.get(path)).headers
        assert headers["cache-control"] == "no-store", path
        assert headers["x-content-type-options"] == "nosniff", path
