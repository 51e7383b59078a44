"""Public keys: PEM and JWK that other software reads, and the set of those that were published."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.rest.app import build_app
from aegis_kernel.testing.doubles import ManualClock
from tests.support.kernel import settings

JWKS = "/.well-known/jwks.json"

SPECS: dict[str, dict[str, Any]] = {
    "RSA": {"algorithm": "RSA", "sizeBits": 2048},
    "P-256": {"algorithm": "EC", "curve": "P-256"},
    "P-384": {"algorithm": "EC", "curve": "P-384"},
    "P-521": {"algorithm": "EC", "curve": "P-521"},
    "secp256k1": {"algorithm": "EC", "curve": "secp256k1"},
    "Ed25519": {"algorithm": "EdDSA", "curve": "Ed25519"},
    "Ed448": {"algorithm": "EdDSA", "curve": "Ed448"},
}

ALGORITHMS = {"RSA": "PS256", "OKP": "EdDSA"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def wire(tmp_path: Path, clock: ManualClock) -> AsyncIterator[httpx.AsyncClient]:
    async with Kernel(settings(tmp_path), clock) as kernel:
        transport = httpx.ASGITransport(build_app(kernel))
        headers = {"X-Aegis-User": "alice"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://aegis", headers=headers
        ) as client:
            yield client


async def create(wire: httpx.AsyncClient, spec: dict[str, Any], **more: Any) -> str:
    answer = await wire.post("/v1/keys", json={"spec": {"name": "k", **spec}, **more})
    assert answer.status_code == 201, answer.text
    key_id = str(answer.json()["id"])
    await wire.post(f"/v1/keys/{key_id}/activate")
    return key_id


def spki(pem: str) -> bytes:
    key = load_pem_public_key(pem.encode())
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("name", SPECS)
async def test_pem_and_jwk_are_one_key_to_other_software(
    wire: httpx.AsyncClient, name: str, tmp_path: Path
) -> None:
    key_id = await create(wire, SPECS[name])
    view = (await wire.get(f"/v1/keys/{key_id}/public-key")).json()
    assert view["jwk"]["kid"] == f"{key_id}.1"
    read: Any = jwt.PyJWK(view["jwk"], algorithm=ALGORITHMS.get(view["jwk"]["kty"])).key
    assert read.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == spki(
        view["publicKeyPem"]
    )
    file = tmp_path / "key.pem"
    file.write_text(view["publicKeyPem"])
    command = ["openssl", "pkey", "-pubin", "-in", str(file), "-pubout", "-outform", "DER"]
    assert subprocess.run(command, capture_output=True).stdout == spki(view["publicKeyPem"])


async def test_a_signature_verifies_under_the_published_key_of_its_version(
    wire: httpx.AsyncClient,
) -> None:
    key_id = await create(wire, SPECS["Ed25519"])
    await wire.post(f"/v1/keys/{key_id}/rotate", json={})
    body = {"messageBase64": base64.b64encode(b"hi").decode(), "algorithm": "Ed25519"}
    signed = (await wire.post(f"/v1/keys/{key_id}/sign", json=body)).json()
    old, new = [
        (await wire.get(f"/v1/keys/{key_id}/public-key?version={version}")).json()
        for version in (1, 2)
    ]
    assert (old["keyVersion"], new["keyVersion"]) == (1, 2)
    key: Any = load_pem_public_key(new["publicKeyPem"].encode())
    key.verify(base64.b64decode(signed["signatureBase64"]), b"hi")
    assert old["publicKeyPem"] != new["publicKeyPem"]


@pytest.mark.parametrize(
    ("query", "status"), [("version=3", 400), ("version=0", 400), ("version=x", 400), ("v=1", 400)]
)
async def test_an_unknown_version_is_refused(
    wire: httpx.AsyncClient, query: str, status: int
) -> None:
    key_id = await create(wire, SPECS["Ed25519"])
    answer = await wire.get(f"/v1/keys/{key_id}/public-key?{query}")
    assert (answer.status_code, answer.json()["error"]) == (status, "BadRequest")


async def test_a_symmetric_key_has_none(wire: httpx.AsyncClient) -> None:
    aes = {"algorithm": "AES", "sizeBits": 256}
    key_id = await create(wire, aes)
    assert (await wire.get(f"/v1/keys/{key_id}/public-key")).status_code == 400
    body = {"spec": {"name": "k", **aes}, "published": True}
    assert (await wire.post("/v1/keys", json=body)).status_code == 400


async def kids(wire: httpx.AsyncClient) -> list[str]:
    answer = await wire.get(JWKS, headers={"X-Aegis-User": ""})
    assert answer.status_code == 200
    return [key["kid"] for key in answer.json()["keys"]]


async def test_the_set_holds_what_was_published_and_may_still_verify(
    wire: httpx.AsyncClient, clock: ManualClock
) -> None:
    await create(wire, SPECS["Ed25519"])
    key_id = await create(wire, SPECS["P-256"], published=True)
    assert await kids(wire) == [f"{key_id}.1"]
    await wire.post(f"/v1/keys/{key_id}/rotate", json={})
    clock.advance(11)
    assert await kids(wire) == [f"{key_id}.2", f"{key_id}.1"]
    await wire.post(f"/v1/keys/{key_id}/compromise", json={"reason": "leaked"})
    clock.advance(11)
    assert await kids(wire) == []


async def test_the_set_is_public_and_has_an_entity_tag(wire: httpx.AsyncClient) -> None:
    await create(wire, SPECS["P-256"], published=True)
    first = await wire.get(JWKS)
    again = await wire.get(JWKS, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    other = await wire.get(JWKS, headers={"If-None-Match": '"another"'})
    assert other.status_code == 200


async def test_the_key_says_that_it_is_published(wire: httpx.AsyncClient) -> None:
    key_id = await create(wire, SPECS["P-256"], published=True)
    assert (await wire.get(f"/v1/keys/{key_id}")).json()["published"] is True
    assert (await wire.get("/v1/keys?tag=aegis/published")).json()["items"][0]["id"] == key_id


async def test_nobody_tags_a_key_as_the_kernel_does(wire: httpx.AsyncClient) -> None:
    spec = {"name": "k", **SPECS["P-256"]}
    answer = await wire.post("/v1/keys", json={"spec": spec, "tags": {"aegis/published": "true"}})
    assert answer.status_code == 400
