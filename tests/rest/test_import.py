"""Import on the wire, as docs/import.md tells owners to do it."""

from __future__ import annotations

import hmac
import json
import re
import subprocess
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.owner import wrap
from tests.support.wire import active_key, assert_refused

PAGE = (Path(__file__).parents[2] / "docs" / "import.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
EXPORT, WRAP = [block for block in BLOCKS if "openssl" in block and "jq" not in block]
CANARY = b"wire canary: 32 bytes of a key.."
MATERIAL = {"materialBase64": b64encode(CANARY).decode()}

# One of each kind that openssl makes, and how.
MADE = {
    "RSA-2048": "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
    "RSA-3072": "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072",
    "RSA-4096": "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096",
    "P-256": "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
    "P-384": "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384",
    "P-521": "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521",
    "secp256k1": "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1",
    "Ed25519": "genpkey -algorithm ED25519",
    "Ed448": "genpkey -algorithm ED448",
}


def spec_of(kind: str) -> dict[str, Any]:
    if kind.startswith("RSA"):
        return {"algorithm": "RSA", "sizeBits": int(kind[4:])}
    return {"algorithm": "EdDSA" if kind.startswith("Ed") else "EC", "curve": kind}


async def key_of(client: httpx.AsyncClient, **spec: Any) -> str:
    created = await client.post("/v1/keys", json={"spec": {"name": "brought"} | spec})
    key_id: str = created.json()["id"]
    await client.post(f"/v1/keys/{key_id}/activate")
    return key_id


async def token_for(client: httpx.AsyncClient, key_id: str) -> dict[str, str]:
    answer = await client.post(f"/v1/keys/{key_id}/import/token")
    assert answer.status_code == 200, answer.text
    token: dict[str, str] = answer.json()
    return token


def run(script: str, folder: Path) -> None:
    command = ["bash", "-euc", script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def wrapped_by_openssl(token: dict[str, str], folder: Path) -> dict[str, str]:
    (folder / "wrapping.pem").write_text(token["wrappingKeyPem"])
    run(WRAP, folder)
    assert not (folder / "wrap.key").exists()
    wrapped = b64encode((folder / "wrapped.bin").read_bytes()).decode()
    return {"importToken": token["importToken"], "wrappedMaterialBase64": wrapped}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hmac_key(alice: httpx.AsyncClient) -> str:
    return await key_of(alice, algorithm="HMAC", sizeBits=256)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def token(alice: httpx.AsyncClient, hmac_key: str) -> dict[str, str]:
    return await token_for(alice, hmac_key)


@pytest.mark.parametrize("kind", MADE)
async def test_a_private_key_that_openssl_made_and_wrapped_is_that_key(
    alice: httpx.AsyncClient, tmp_path: Path, kind: str
) -> None:
    run(
        f"openssl {MADE[kind]} -out my-key.pem\nopenssl pkey -in my-key.pem -pubout -out public.pem",
        tmp_path,
    )
    run(EXPORT, tmp_path)
    key_id = await key_of(alice, **spec_of(kind))
    body = wrapped_by_openssl(await token_for(alice, key_id), tmp_path)
    imported = await alice.post(f"/v1/keys/{key_id}/import", json=body)
    assert imported.status_code == 200, imported.text
    shown = (await alice.get(f"/v1/keys/{key_id}/public-key")).json()
    assert shown["publicKeyPem"] == (tmp_path / "public.pem").read_text()
    assert shown["keyVersion"] == 2


@pytest.mark.parametrize("size", [128, 192, 256])
async def test_an_aes_key_that_openssl_wrapped_is_imported(
    alice: httpx.AsyncClient, tmp_path: Path, size: int
) -> None:
    key_id = await active_key(alice, sizeBits=size)
    (tmp_path / "material.bin").write_bytes(CANARY[: size // 8])
    body = wrapped_by_openssl(await token_for(alice, key_id), tmp_path)
    imported = await alice.post(f"/v1/keys/{key_id}/import", json=body)
    assert list(imported.json()) == ["id", "currentVersion", "importedAt"]
    assert (imported.json()["id"], imported.json()["currentVersion"]) == (key_id, 2)
    listed = (await alice.get(f"/v1/keys/{key_id}/versions")).json()["items"]
    assert [each["imported"] for each in listed] == [False, True]
    assert imported.json()["importedAt"] == listed[-1]["createdAt"]


async def test_an_hmac_key_that_openssl_wrapped_makes_its_macs(
    alice: httpx.AsyncClient, tmp_path: Path, hmac_key: str, token: dict[str, str]
) -> None:
    (tmp_path / "material.bin").write_bytes(CANARY)
    imported = await alice.post(
        f"/v1/keys/{hmac_key}/import", json=wrapped_by_openssl(token, tmp_path)
    )
    assert imported.status_code == 200
    assert imported.headers["etag"]
    asked = {"messageBase64": b64encode(b"invoice").decode(), "algorithm": "HmacSha256"}
    made = (await alice.post(f"/v1/keys/{hmac_key}/mac", json=asked)).json()
    assert b64decode(made["macBase64"]) == hmac.digest(CANARY, b"invoice", "sha256")


async def test_a_token_says_what_it_is_for(token: dict[str, str]) -> None:
    assert list(token) == ["importToken", "wrappingKeyPem", "algorithm", "expiresAt"]
    assert token["algorithm"] == "RSA_AES_KEY_WRAP_SHA_256"
    assert token["wrappingKeyPem"].startswith("-----BEGIN PUBLIC KEY-----\n")


async def test_a_public_key_verifies_on_the_wire(alice: httpx.AsyncClient) -> None:
    key_id = await key_of(alice, algorithm="EC", curve="P-256")
    owner = ec.generate_private_key(ec.SECP256R1())
    pem = owner.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    imported = await alice.post(f"/v1/keys/{key_id}/import", json={"publicKeyPem": pem})
    assert imported.status_code == 200
    deal = {"messageBase64": b64encode(b"deal").decode(), "algorithm": "EcdsaSha256"}
    signature = b64encode(owner.sign(b"deal", ec.ECDSA(SHA256()))).decode()
    body = deal | {"signatureBase64": signature}
    assert (await alice.post(f"/v1/keys/{key_id}/verify", json=body)).json()["valid"] is True
    refused = await alice.post(f"/v1/keys/{key_id}/sign", json=deal)
    assert_refused(refused, 400, "BadRequest")
    assert (await alice.get(f"/v1/keys/{key_id}/public-key")).json()["publicKeyPem"] == pem
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    wrong = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for bad in (wrong, pem.replace("PUBLIC", "PRIVATE"), "nonsense", pem + pem):
        answer = await alice.post(f"/v1/keys/{key_id}/import", json={"publicKeyPem": bad})
        assert_refused(answer, 400, "BadRequest")


async def test_exactly_one_way_of_import_is_taken(
    alice: httpx.AsyncClient, hmac_key: str, token: dict[str, str]
) -> None:
    given = {"importToken": token["importToken"]}
    wrapped = {"wrappedMaterialBase64": "AAAA"}
    for body in (
        {},
        given,
        wrapped,
        given | MATERIAL,
        given | wrapped | MATERIAL,
        given | {"publicKeyPem": "x"},
        MATERIAL | {"publicKeyPem": "x"},
        given | wrapped | {"algorithm": "none"},
        {"importToken": "not base64", **wrapped},
        {"importToken": None, **wrapped},
        {"materialBase64": ""},
    ):
        answer = await alice.post(f"/v1/keys/{hmac_key}/import", json=body)
        assert_refused(answer, 400, "BadRequest")
    long = b64encode(bytes(9 * 1024 + 1)).decode()
    answer = await alice.post(
        f"/v1/keys/{hmac_key}/import", json=given | {"wrappedMaterialBase64": long}
    )
    assert_refused(answer, 413, "PayloadTooLarge")


async def test_no_answer_or_record_shows_what_was_brought(
    alice: httpx.AsyncClient, kernel: Any, hmac_key: str, token: dict[str, str]
) -> None:
    public = b"".join(b64decode(line) for line in token["wrappingKeyPem"].splitlines()[1:-1])
    wrapped = b64encode(wrap(public, CANARY)).decode()
    body = {"importToken": token["importToken"], "wrappedMaterialBase64": wrapped}
    headers = {"Idempotency-Key": "import-1"}
    path = f"/v1/keys/{hmac_key}/import"
    answers = [await alice.post(path, json=body, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    answers.append(await alice.post(path, json=MATERIAL))
    answers.append(await alice.post(path, json={"materialBase64": MATERIAL["materialBase64"][:8]}))
    assert [answer.status_code for answer in answers] == [200, 200, 200, 400]
    ledger = await kernel.providers.journal.ledger(0, 1000)
    everything = "".join(answer.text for answer in answers) + str([row.body for row in ledger])
    for secret in (CANARY.decode(), MATERIAL["materialBase64"], wrapped, token["importToken"]):
        assert secret not in everything
    assert json.loads(ledger[-1].body)["op"] == "KeyImported"


async def test_a_dry_run_imports_nothing(alice: httpx.AsyncClient, hmac_key: str) -> None:
    before = (await alice.get(f"/v1/keys/{hmac_key}")).json()["currentVersion"]
    answer = await alice.post(f"/v1/keys/{hmac_key}/import?dryRun=true", json=MATERIAL)
    assert answer.json()["allowed"] is True
    assert (await alice.get(f"/v1/keys/{hmac_key}")).json()["currentVersion"] == before


def test_the_page_says_how_the_material_leaves_and_enters() -> None:
    assert len(BLOCKS) == 4
    assert "importToken: $token[0].importToken" in BLOCKS[-1]
