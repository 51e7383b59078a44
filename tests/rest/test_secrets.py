"""Data keys, MACs, derived secrets, random bytes and usages on the wire."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_pem_public_key,
)

from tests.support.wire import active_key, assert_refused, new_key

MESSAGE = b64encode(b"invoice #1234").decode()
HMAC = {"algorithm": "HMAC"}


async def ec_key(client: httpx.AsyncClient) -> str:
    spec = {"name": "demo", "algorithm": "EC", "curve": "P-256"}
    created = await client.post("/v1/keys", json={"spec": spec})
    key_id: str = created.json()["id"]
    await client.post(f"/v1/keys/{key_id}/activate")
    return key_id


async def post(client: httpx.AsyncClient, path: str, body: Any) -> Any:
    response = await client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def pem() -> str:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


async def test_a_data_key_comes_plain_and_wrapped_or_wrapped_only(
    alice: httpx.AsyncClient, key_id: str
) -> None:
    path, asked = f"/v1/keys/{key_id}", {"sizeBits": 512, "context": {"tenant": "acme"}}
    full = await post(alice, f"{path}/generate-data-key", asked)
    assert list(full) == ["plaintextBase64", "wrappedKeyBase64", "keyVersion", "algorithm"]
    unwrap = {"wrappedKeyBase64": full["wrappedKeyBase64"], "context": {"tenant": "acme"}}
    plain = await post(alice, f"{path}/unwrap", unwrap)
    assert plain["plaintextBase64"] == full["plaintextBase64"]
    assert len(b64decode(plain["plaintextBase64"])) == 64
    wrapped = await post(alice, f"{path}/generate-data-key/wrapped-only", asked)
    assert list(wrapped) == ["wrappedKeyBase64", "keyVersion", "algorithm"]


async def test_a_pair_comes_with_its_public_key(alice: httpx.AsyncClient, key_id: str) -> None:
    path = f"/v1/keys/{key_id}/generate-data-key-pair"
    asked = {"spec": {"algorithm": "RSA", "sizeBits": 2048}}
    full = await post(alice, path, asked)
    private = load_der_private_key(b64decode(full["plaintextBase64"]), None)
    public = load_pem_public_key(full["publicKeyPem"].encode())
    assert private.public_key() == public
    written = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert full["publicKeyPem"] == written.decode()
    wrapped = await post(alice, f"{path}/wrapped-only", asked)
    assert list(wrapped) == ["wrappedKeyBase64", "publicKeyPem", "keyVersion", "algorithm"]


async def test_a_mac_verifies_and_names_its_version(alice: httpx.AsyncClient) -> None:
    path = f"/v1/keys/{await active_key(alice, **HMAC)}"
    asked = {"messageBase64": MESSAGE, "algorithm": "HmacSha256"}
    made = await post(alice, f"{path}/mac", asked)
    assert list(made) == ["macBase64", "algorithm", "keyVersion"]
    response = await alice.post(f"{path}/verify-mac", json=asked | {"macBase64": made["macBase64"]})
    assert response.json() == {"valid": True, "algorithm": "HmacSha256"}
    assert response.headers["x-aegis-key-version"] == "1"
    response = await alice.post(f"{path}/verify-mac", json=asked | {"macBase64": "AA=="})
    assert response.json() == {"valid": False, "algorithm": "HmacSha256"}
    assert "x-aegis-key-version" not in response.headers


async def test_a_secret_is_derived_from_pem(alice: httpx.AsyncClient) -> None:
    path, algorithm = f"/v1/keys/{await ec_key(alice)}/derive", "EcdhHkdfSha256"
    peer = pem()
    asked = {"publicKeyPem": peer, "algorithm": algorithm, "sizeBits": 384}
    derived = await post(alice, path, asked | {"infoBase64": "aGVsbG8="})
    assert list(derived) == ["secretBase64", "keyVersion"]
    assert len(b64decode(derived["secretBase64"])) == 48
    windows = asked | {"publicKeyPem": peer.replace("\n", "\r\n")}
    assert await post(alice, path, windows) == await post(alice, path, asked)


async def test_random_bytes(alice: httpx.AsyncClient) -> None:
    drawn = await post(alice, "/v1/random", {"bytes": 33})
    assert list(drawn) == ["randomBase64"]
    assert len(b64decode(drawn["randomBase64"])) == 33


async def test_a_ciphertext_is_moved_to_another_key(alice: httpx.AsyncClient, key_id: str) -> None:
    other, old, new = await active_key(alice), {"dataset": "q2"}, {"dataset": "archive"}
    asked = {"plaintextBase64": MESSAGE, "context": old}
    made = await post(alice, f"/v1/keys/{key_id}/encrypt", asked)
    body = {
        "ciphertextBase64": made["ciphertextBase64"],
        "context": old,
        "destinationKeyId": other,
        "destinationContext": new,
    }
    path = f"/v1/keys/{key_id}/reencrypt"
    moved = await post(alice, path, body)
    assert list(moved) == ["ciphertextBase64", "keyId", "keyVersion", "algorithm"]
    assert moved["keyId"] == other
    decrypt = {"ciphertextBase64": moved["ciphertextBase64"], "context": new}
    opened = await post(alice, f"/v1/keys/{other}/decrypt", decrypt)
    assert opened["plaintextBase64"] == MESSAGE
    missing = "8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"
    for bad, status, code in (
        ({"context": new}, 400, "DecryptionFailed"),
        ({"destinationKeyId": missing}, 404, "KeyNotFound"),
        ({"destinationKeyId": "no id"}, 404, "KeyNotFound"),
        ({"destinationKeyId": 1}, 400, "BadRequest"),
        ({"destinationKeyId": await new_key(alice)}, 409, "IllegalOperation"),
    ):
        assert_refused(await alice.post(path, json=body | bad), status, code)


async def test_a_key_is_wrapped_as_others_do_it(alice: httpx.AsyncClient) -> None:
    path = f"/v1/keys/{await active_key(alice, usages=['wrapRfc5649'])}"
    key_bytes = b64encode(bytes(range(32))).decode()
    asked = {"plaintextBase64": key_bytes, "format": "rfc5649"}
    made = await post(alice, f"{path}/wrap", asked)
    assert (made["algorithm"], len(b64decode(made["wrappedKeyBase64"]))) == ("AesKwp256", 40)
    wrapped = {"wrappedKeyBase64": made["wrappedKeyBase64"], "format": "rfc5649", "keyVersion": 1}
    assert (await post(alice, f"{path}/unwrap", wrapped))["plaintextBase64"] == key_bytes
    refused = await alice.post(f"{path}/wrap", json=asked | {"context": {}})
    assert_refused(refused, 400, "BadRequest")
    refused = await alice.post(f"{path}/wrap", json=asked | {"format": "RFC5649"})
    assert_refused(refused, 400, "BadRequest")
    refused = await alice.post(f"{path}/wrap", json={"plaintextBase64": key_bytes})
    assert_refused(refused, 409, "IllegalOperation")
    del wrapped["keyVersion"]
    tampered = wrapped | {"wrappedKeyBase64": b64encode(bytes(40)).decode()}
    assert_refused(await alice.post(f"{path}/unwrap", json=tampered), 400, "DecryptionFailed")


async def test_usages_are_shown_and_enforced(alice: httpx.AsyncClient) -> None:
    spec = {"name": "a", "algorithm": "AES", "sizeBits": 256, "usages": ["encrypt", "decrypt"]}
    created = (await alice.post("/v1/keys", json={"spec": spec})).json()
    assert created["spec"]["usages"] == ["decrypt", "encrypt"]
    path = f"/v1/keys/{created['id']}"
    assert (await alice.get(path)).json()["spec"]["usages"] == ["decrypt", "encrypt"]
    await alice.post(f"{path}/activate")
    assert (await alice.post(f"{path}/encrypt", json={"plaintextBase64": MESSAGE})).is_success
    refused = await alice.post(f"{path}/wrap", json={"plaintextBase64": "A" * 24})
    assert_refused(refused, 409, "IllegalOperation")
    said = "Cannot wrap with a key whose usages leave out wrap"
    assert refused.json()["message"] == said


@pytest.mark.parametrize(
    "usages",
    [
        [],
        ["sign"],
        ["mac"],
        ["Encrypt"],
        ["encrypt", "encrypt"],
        ["encrypt", 1],
        "encrypt",
        None,
        ["wrapRfc5649", "wrap"],
    ],
)
async def test_other_usages_are_bad_requests(alice: httpx.AsyncClient, usages: Any) -> None:
    spec = {"name": "a", "algorithm": "AES", "sizeBits": 256, "usages": usages}
    assert_refused(await alice.post("/v1/keys", json={"spec": spec}), 400, "BadRequest")


BAD = {
    "generate-data-key": [
        {},
        {"sizeBits": 100},
        {"sizeBits": "256"},
        {"sizeBits": 256, "bytes": 32},
        {"sizeBits": 256, "context": {"a": 1}},
    ],
    "generate-data-key/wrapped-only": [{"sizeBits": 0}, {"sizeBits": 256.0}],
    "generate-data-key-pair": [
        {},
        {"spec": {"algorithm": "AES", "sizeBits": 256}},
        {"spec": {"algorithm": "RSA", "sizeBits": 1024}},
        {"spec": {"algorithm": "EC", "curve": "P-256", "name": "a"}},
        {"spec": {"curve": "P-256"}},
        {"sizeBits": 256},
    ],
    "mac": [
        {"messageBase64": MESSAGE},
        {"messageBase64": MESSAGE, "algorithm": "HmacSha1"},
        {"messageBase64": "%", "algorithm": "HmacSha256"},
    ],
    "verify-mac": [
        {"messageBase64": MESSAGE, "algorithm": "HmacSha256"},
        {"messageBase64": MESSAGE, "algorithm": "HmacSha256", "macBase64": "AB=="},
        {"messageBase64": MESSAGE, "algorithm": "HmacSha256", "macBase64": "", "keyVersion": 0},
    ],
    "derive": [
        {"algorithm": "EcdhHkdfSha256", "sizeBits": 256},
        {"publicKeyPem": "", "algorithm": "EcdhHkdfSha256", "sizeBits": 256},
        {"publicKeyPem": "MFkw", "algorithm": "EcdhHkdfSha256", "sizeBits": 256},
    ],
}


@pytest.mark.parametrize("operation", BAD)
async def test_other_spellings_are_bad_requests(
    alice: httpx.AsyncClient, key_id: str, operation: str
) -> None:
    for body in BAD[operation]:
        response = await alice.post(f"/v1/keys/{key_id}/{operation}", json=body)
        assert_refused(response, 400, "BadRequest")


@pytest.mark.parametrize("body", [{}, {"bytes": 0}, {"bytes": 1025}, {"bytes": "8"}, {"size": 8}])
async def test_other_numbers_of_random_bytes_are_bad_requests(
    alice: httpx.AsyncClient, body: Any
) -> None:
    assert_refused(await alice.post("/v1/random", json=body), 400, "BadRequest")


@pytest.mark.parametrize(
    "harm",
    [
        lambda text: text.replace("PUBLIC", "PRIVATE"),
        lambda text: text.replace("PUBLIC KEY", "CERTIFICATE"),
        lambda text: text.replace("-----END", "----END"),
        lambda text: text + text,
        lambda text: "x" + text,
        lambda text: text.replace("M", "%", 1),
        lambda text: "".join(text.splitlines(True)[:2]),
        lambda text: text.replace("MFkw", "MFkx"),
    ],
)
async def test_other_pems_are_bad_requests(alice: httpx.AsyncClient, harm: Any) -> None:
    path = f"/v1/keys/{await ec_key(alice)}/derive"
    body = {"publicKeyPem": harm(pem()), "algorithm": "EcdhHkdfSha256", "sizeBits": 256}
    assert_refused(await alice.post(path, json=body), 400, "BadRequest")


@pytest.mark.parametrize("operation", ["mac", "generate-data-key", "derive"])
async def test_a_key_that_is_not_active_is_refused(
    alice: httpx.AsyncClient, operation: str
) -> None:
    key_id = await new_key(alice)
    body = {
        "mac": {"messageBase64": MESSAGE, "algorithm": "HmacSha256"},
        "generate-data-key": {"sizeBits": 256},
        "derive": {"publicKeyPem": pem(), "algorithm": "EcdhHkdfSha256", "sizeBits": 256},
    }[operation]
    response = await alice.post(f"/v1/keys/{key_id}/{operation}", json=body)
    assert_refused(response, 409, "IllegalOperation")
