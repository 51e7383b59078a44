"""Aliases, versions, suspension and updates on the wire: fields, spellings, strictness."""

from __future__ import annotations

import httpx
import pytest

from tests.support.wire import active_key, assert_refused, new_key

JSON = {"Content-Type": "application/json"}
PLAINTEXT = {"plaintextBase64": "aGk="}


async def named_key(alice: httpx.AsyncClient, name: str) -> str:
    key_id = await active_key(alice)
    response = await alice.put(f"/v1/aliases/{name}", json={"keyId": key_id})
    assert response.status_code == 200, response.text
    return key_id


async def test_an_alias_stands_wherever_an_id_does(alice: httpx.AsyncClient) -> None:
    key_id = await named_key(alice, "invoices")
    encrypted = await alice.post("/v1/keys/alias:invoices/encrypt", json=PLAINTEXT)
    assert encrypted.status_code == 200
    ciphertext = {"ciphertextBase64": encrypted.json()["ciphertextBase64"]}
    decrypted = await alice.post(f"/v1/keys/{key_id}/decrypt", json=ciphertext)
    assert decrypted.json()["plaintextBase64"] == "aGk="
    assert (await alice.get("/v1/keys/alias:invoices")).json()["aliases"] == ["invoices"]
    second = await alice.put("/v1/aliases/second", json={"keyId": "alias:invoices"})
    assert second.json() == {"name": "second", "keyId": key_id}
    disabled = await alice.post("/v1/keys/alias:second/disable")
    assert disabled.json() == {"id": key_id, "state": "Active", "disabled": True}
    enabled = await alice.post("/v1/keys/alias:second/enable", json={"reason": "found"})
    assert enabled.json() == {"id": key_id, "state": "Active", "disabled": False}


async def test_a_slash_in_a_name_is_spelled_percent_2f(alice: httpx.AsyncClient) -> None:
    key_id = await named_key(alice, "team%2Fsub%2finvoices")
    listed = (await alice.get("/v1/aliases")).json()["items"]
    assert {"name": "team/sub/invoices", "keyId": key_id} in listed
    path = "/v1/keys/alias:team%2Fsub%2Finvoices"
    assert (await alice.get(path)).json()["id"] == key_id
    assert (await alice.post(f"{path}/encrypt", json=PLAINTEXT)).status_code == 200
    for other in ("alias:team/sub/invoices", "alias:team%252Fsub%252Finvoices"):
        assert (await alice.get(f"/v1/keys/{other}")).status_code == 404
    deleted = await alice.delete("/v1/aliases/team%2Fsub%2Finvoices")
    assert deleted.json() == {"name": "team/sub/invoices", "keyId": key_id}
    assert_refused(await alice.get(path), 404, "KeyNotFound")


@pytest.mark.parametrize(
    "name", ["a b", "%00", "a%3Ab", "a" * 129, "aegis%2Fx", "%C3%BC", "a%252Fb"]
)
async def test_no_alias_is_called_so(alice: httpx.AsyncClient, key_id: str, name: str) -> None:
    path = f"/v1/aliases/{name}"
    assert_refused(await alice.put(path, json={"keyId": key_id}), 400, "BadRequest")
    assert_refused(await alice.delete(path), 400, "BadRequest")
    assert_refused(await alice.get(f"/v1/keys/alias:{name}"), 404, "KeyNotFound")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [(b"", 400, "BadRequest"), (b"{}", 400, "BadRequest"), (b'{"keyId":1}', 400, "BadRequest"),
     (b'{"keyId":null}', 400, "BadRequest"), (b'{"key":"x"}', 400, "BadRequest"),
     (b'{"keyId":"x","keyId":"y"}', 400, "BadRequest"), (b'{"keyId":"x"}', 404, "KeyNotFound"),
     (b'{"keyId":"alias:nobody"}', 404, "KeyNotFound"),
     (b'{"keyId":"8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"}', 404, "KeyNotFound")],
)  # fmt: skip
async def test_setting_an_alias_refuses(
    alice: httpx.AsyncClient, body: bytes, status: int, code: str
) -> None:
    response = await alice.put("/v1/aliases/strict", content=body, headers=JSON)
    assert_refused(response, status, code)


async def test_versions_are_listed_and_one_can_be_compromised(alice: httpx.AsyncClient) -> None:
    key_id = await active_key(alice)
    await alice.post(f"/v1/keys/{key_id}/rotate")
    path = f"/v1/keys/{key_id}/versions"
    items = (await alice.get(path)).json()["items"]
    assert [(item["version"], item["state"]) for item in items] == [
        (1, "Deactivated"),
        (2, "Active"),
    ]
    assert list(items[0]) == ["version", "state", "createdAt", "rootOfTrust", "imported"]
    response = await alice.post(f"{path}/1/compromise", json={"reason": "leaked"})
    assert response.status_code == 200
    assert (response.json()["id"], response.json()["state"]) == (key_id, "Active")
    assert response.json()["versions"] == (await alice.get(path)).json()["items"]
    first = response.json()["versions"][0]
    assert (first["state"], first["reason"]) == ("Compromised", "leaked")
    again = await alice.post(f"{path}/1/compromise", json={"reason": "leaked"})
    assert_refused(again, 409, "IllegalOperation")


@pytest.mark.parametrize(
    ("version", "status"),
    [("2", 404), ("999999999", 404), ("0", 400), ("-1", 400), ("01", 400), ("1.0", 400),
     ("x", 400), ("9999999999", 400), ("%D9%A1", 400), ("1%20", 400)],
)  # fmt: skip
async def test_a_version_in_a_path_is_a_number_that_there_is(
    alice: httpx.AsyncClient, key_id: str, version: str, status: int
) -> None:
    path = f"/v1/keys/{key_id}/versions/{version}/compromise"
    assert (await alice.post(path, json={"reason": "x"})).status_code == status


@pytest.mark.parametrize("body", [b"", b"{}", b'{"reason":""}', b'{"reason":null}', b'{"why":"x"}'])
async def test_compromising_a_version_needs_a_reason(
    alice: httpx.AsyncClient, key_id: str, body: bytes
) -> None:
    path = f"/v1/keys/{key_id}/versions/1/compromise"
    assert_refused(await alice.post(path, content=body, headers=JSON), 400, "BadRequest")


async def test_an_update_answers_what_is_now(alice: httpx.AsyncClient) -> None:
    key_id = await new_key(alice)
    policy = {"periodDays": 90, "afterOperations": 1000, "noticeDays": 7}
    asked = {"tags": {"team": "a"}, "description": "d", "rotationPolicy": policy}
    response = await alice.patch(f"/v1/keys/{key_id}", json=asked)
    assert response.json() == {"id": key_id, "state": "PreActive"} | asked
    assert (await alice.get(f"/v1/keys/{key_id}")).json().items() >= asked.items()
    assert len((await alice.get("/v1/keys?tag=team%3Da&name=demo")).json()["items"]) >= 1
    cleared = {"tags": {}, "description": None, "rotationPolicy": None}
    response = await alice.patch(f"/v1/keys/{key_id}", json=cleared)
    assert response.json() == {"id": key_id, "state": "PreActive", "tags": {}}
    assert not (await alice.get(f"/v1/keys/{key_id}")).json().keys() & asked.keys()


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b'{"name":"x"}', b'{"tags":null}', b'{"tags":{"a=b":"c"}}', b'{"tags":{"a":1}}',
     b'{"tags":{"a":"1","a":"2"}}', b'{"description":1}', b'{"description":"a","description":"b"}',
     b'{"rotationPolicy":{}}', b'{"rotationPolicy":{"periodDays":0}}',
     b'{"rotationPolicy":{"periodDays":3651}}', b'{"rotationPolicy":{"periodDays":"90"}}',
     b'{"rotationPolicy":{"periodDays":null}}', b'{"rotationPolicy":{"noticeDays":1}}',
     b'{"rotationPolicy":{"periodDays":7,"noticeDays":7}}',
     b'{"rotationPolicy":{"afterOperations":0}}', b'{"rotationPolicy":{"periodDays":1,"days":1}}',
     b'{"rotationPolicy":{"periodDays":1,"periodDays":2}}', b'{"state":"Active"}'],
)  # fmt: skip
async def test_an_update_refuses(alice: httpx.AsyncClient, key_id: str, body: bytes) -> None:
    response = await alice.patch(f"/v1/keys/{key_id}", content=body, headers=JSON)
    assert_refused(response, 400, "BadRequest")


async def test_a_used_key_says_how_often_and_when(alice: httpx.AsyncClient) -> None:
    key_id = await active_key(alice)
    assert "usage" not in (await alice.get(f"/v1/keys/{key_id}")).json()
    encrypted = await alice.post(f"/v1/keys/{key_id}/encrypt", json=PLAINTEXT)
    ciphertext = {"ciphertextBase64": encrypted.json()["ciphertextBase64"]}
    for _ in range(2):
        await alice.post(f"/v1/keys/{key_id}/decrypt", json=ciphertext)
    view = (await alice.get(f"/v1/keys/{key_id}")).json()
    assert view["usage"] == {"protect": 1, "process": 2}
    assert view["lastUsedAt"].endswith("Z")
