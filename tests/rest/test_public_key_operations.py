"""Forms of signatures, public-key encryption and encapsulation on the wire."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import mlkem, padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.support.wire import assert_refused

NOT_AUTHENTIC = {
    "error": "DecryptionFailed",
    "message": "Ciphertext is not authentic for this key",
}
SPECS: dict[str, dict[str, Any]] = {
    "RSA": {"algorithm": "RSA", "sizeBits": 2048},
    "P-256": {"algorithm": "EC", "curve": "P-256"},
    "P-521": {"algorithm": "EC", "curve": "P-521"},
    "secp256k1": {"algorithm": "EC", "curve": "secp256k1"},
    "Ed25519": {"algorithm": "EdDSA", "curve": "Ed25519"},
    "ML-DSA-65": {"algorithm": "ML-DSA", "parameterSet": "ML-DSA-65"},
    "ML-KEM-768": {"algorithm": "ML-KEM", "parameterSet": "ML-KEM-768"},
    "hybrid": {"algorithm": "ML-KEM", "parameterSet": "ML-KEM-768-X25519"},
}
ENCRYPTING = {
    "RSA": "RsaOaepSha256",
    "P-256": "HpkeP256Sha256Aes256Gcm",
    "P-521": "HpkeP521Sha512Aes256Gcm",
    "hybrid": "HpkeMlKem768X25519Sha256Aes256Gcm",
}
MESSAGE = b"invoice #1234 total $42,000"
DIGEST = hashlib.sha256(MESSAGE).digest()


def b64(raw: bytes) -> str:
    return b64encode(raw).decode()


class Keys:
    """One Active key of each spec."""

    def __init__(self, client: httpx.AsyncClient, ids: dict[str, str]) -> None:
        self._client, self._ids = client, ids

    async def post(self, name: str, operation: str, **body: Any) -> httpx.Response:
        return await self._client.post(f"/v1/keys/{self._ids[name]}/{operation}", json=body)

    async def ok(self, name: str, operation: str, **body: Any) -> dict[str, Any]:
        response = await self.post(name, operation, **body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def public(self, name: str) -> dict[str, Any]:
        found = await self._client.get(f"/v1/keys/{self._ids[name]}/public-key")
        answer: dict[str, Any] = found.json()
        return answer

    async def rotated(self, name: str) -> None:
        await self.ok(name, "rotate")


async def new_keys(client: httpx.AsyncClient, *names: str) -> Keys:
    return Keys(client, {name: await _make(client, name) for name in names})


async def _make(client: httpx.AsyncClient, name: str) -> str:
    created = await client.post("/v1/keys", json={"spec": {"name": name, **SPECS[name]}})
    assert created.status_code == 201, created.text
    view = created.json()["spec"]
    assert {**SPECS[name], "name": name, "objectType": "PrivateKey"} == view
    key_id: str = created.json()["id"]
    await client.post(f"/v1/keys/{key_id}/activate")
    return key_id


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keys(alice: httpx.AsyncClient) -> AsyncIterator[Keys]:
    yield await new_keys(alice, *SPECS)


@pytest.mark.parametrize("message_type", [None, "RAW", "DIGEST"])
@pytest.mark.parametrize("form", [None, "DER", "P1363"])
async def test_an_answer_says_which_form_was_used_when_one_was_named(
    keys: Keys, message_type: str | None, form: str | None
) -> None:
    named = {"messageType": message_type, "signatureFormat": form}
    asked = {key: value for key, value in named.items() if value}
    message = DIGEST if message_type == "DIGEST" else MESSAGE
    body = {"messageBase64": b64(message), "algorithm": "EcdsaSha256", **asked}
    signed = await keys.ok("P-256", "sign", **body)
    used = {"messageType": message_type or "RAW", "signatureFormat": form or "DER"} if asked else {}
    signature = signed.pop("signatureBase64")
    assert signed == {"algorithm": "EcdsaSha256", "keyVersion": 1, **used}
    if form == "P1363":
        assert len(b64decode(signature)) == 64
    verified = await keys.ok("P-256", "verify", signatureBase64=signature, **body)
    assert verified == {"valid": True, "algorithm": "EcdsaSha256", **used}
    other = {**body, "signatureFormat": "DER" if form == "P1363" else "P1363"}
    verified = await keys.ok("P-256", "verify", signatureBase64=signature, **other)
    assert verified["valid"] is False


async def test_rsa_says_the_type_and_has_no_format_to_say(keys: Keys) -> None:
    body = {"messageBase64": b64(DIGEST), "algorithm": "RsaPssSha256", "messageType": "DIGEST"}
    signed = await keys.ok("RSA", "sign", **body)
    assert signed["messageType"] == "DIGEST"
    assert "signatureFormat" not in signed
    raw = {"messageBase64": b64(MESSAGE), "algorithm": "RsaPssSha256"}
    signature = signed["signatureBase64"]
    assert (await keys.ok("RSA", "verify", signatureBase64=signature, **raw))["valid"] is True
    assert (await keys.ok("RSA", "verify", signatureBase64=signature, **body))["valid"] is True


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("P-256", {"algorithm": "EcdsaSha256", "messageType": "DIGEST", "messageBase64": "aGk="}),
        ("P-256", {"algorithm": "EcdsaSha256", "messageType": "digest", "messageBase64": "aGk="}),
        ("P-256", {"algorithm": "EcdsaSha256", "signatureFormat": "der", "messageBase64": "aGk="}),
        ("P-256", {"algorithm": "EcdsaSha256", "signatureFormat": None, "messageBase64": "aGk="}),
        ("P-256", {"algorithm": "EcdsaSha384", "messageBase64": "aGk="}),
        ("RSA", {"algorithm": "RsaPssSha256", "signatureFormat": "P1363", "messageBase64": "aGk="}),
        ("Ed25519", {"algorithm": "Ed25519", "messageType": "DIGEST", "messageBase64": b64(DIGEST)}),
        ("ML-DSA-65", {"algorithm": "MlDsa65", "messageType": "DIGEST", "messageBase64": b64(DIGEST)}),
        ("ML-DSA-65", {"algorithm": "MlDsa44", "messageBase64": "aGk="}),
    ],
)  # fmt: skip
async def test_a_form_that_the_algorithm_has_not_is_refused(
    keys: Keys, name: str, body: dict[str, Any]
) -> None:
    assert_refused(await keys.post(name, "sign", **body), 400, "BadRequest")
    refused = await keys.post(name, "verify", signatureBase64="aGk=", **body)
    assert_refused(refused, 400, "BadRequest")


async def test_ml_dsa_signs_and_tells_a_changed_message(keys: Keys) -> None:
    body = {"messageBase64": b64(MESSAGE), "algorithm": "MlDsa65"}
    signed = await keys.ok("ML-DSA-65", "sign", **body)
    signature = signed["signatureBase64"]
    assert len(b64decode(signature)) == 3309
    assert (await keys.ok("ML-DSA-65", "verify", signatureBase64=signature, **body))["valid"]
    changed = {**body, "messageBase64": b64(MESSAGE + b".")}
    answer = await keys.ok("ML-DSA-65", "verify", signatureBase64=signature, **changed)
    assert answer["valid"] is False


@pytest.mark.parametrize("name", ENCRYPTING)
async def test_a_key_pair_encrypts_and_decrypts_by_its_named_algorithm(
    keys: Keys, name: str
) -> None:
    made = await keys.ok(name, "encrypt", plaintextBase64=b64(MESSAGE))
    assert (made["algorithm"], made["keyVersion"]) == (ENCRYPTING[name], 1)
    opened = await keys.ok(name, "decrypt", ciphertextBase64=made["ciphertextBase64"])
    assert b64decode(opened["plaintextBase64"]) == MESSAGE
    assert (opened["algorithm"], opened["keyVersion"]) == (ENCRYPTING[name], 1)
    whole = b64decode(made["ciphertextBase64"])
    for position in (0, 1, 2, 4, 5, 24, 25, len(whole) // 2, len(whole) - 1):
        bad = whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]
        refused = await keys.post(name, "decrypt", ciphertextBase64=b64(bad))
        assert (refused.status_code, refused.json()) == (400, NOT_AUTHENTIC), position


@pytest.mark.parametrize("name", ENCRYPTING)
async def test_a_key_pair_takes_no_context(keys: Keys, name: str) -> None:
    for context in ({}, {"tenant": "acme"}):
        refused = await keys.post(name, "encrypt", plaintextBase64="aGk=", context=context)
        assert_refused(refused, 400, "BadRequest")
        assert "context" in refused.json()["message"]
        refused = await keys.post(name, "decrypt", ciphertextBase64="aGk=", context=context)
        assert_refused(refused, 400, "BadRequest")


async def test_rsa_says_how_much_it_encrypts(keys: Keys) -> None:
    await keys.ok("RSA", "encrypt", plaintextBase64=b64(bytes(190)))
    refused = await keys.post("RSA", "encrypt", plaintextBase64=b64(bytes(191)))
    assert_refused(refused, 400, "BadRequest")
    assert "at most 190 bytes" in refused.json()["message"]


@pytest.mark.parametrize("name", ["secp256k1", "Ed25519", "ML-DSA-65", "ML-KEM-768"])
async def test_other_key_pairs_do_not_encrypt(keys: Keys, name: str) -> None:
    for operation, field in (("encrypt", "plaintextBase64"), ("decrypt", "ciphertextBase64")):
        assert_refused(await keys.post(name, operation, **{field: "aGk="}), 400, "BadRequest")


async def test_what_an_outsider_encrypted_is_raw_and_names_its_version(
    alice: httpx.AsyncClient,
) -> None:
    keys = await new_keys(alice, "RSA", "P-256")
    oaep = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
    rsa_public: Any = load_pem_public_key((await keys.public("RSA"))["publicKeyPem"].encode())
    ec_public: Any = load_pem_public_key((await keys.public("P-256"))["publicKeyPem"].encode())
    hpke = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    made = {
        "RSA": rsa_public.encrypt(MESSAGE, oaep),
        "P-256": hpke.encrypt(MESSAGE, ec_public),
    }
    for name, theirs in made.items():
        await keys.rotated(name)
        raw = {"ciphertextBase64": b64(theirs), "format": "raw"}
        opened = await keys.ok(name, "decrypt", keyVersion=1, **raw)
        assert (b64decode(opened["plaintextBase64"]), opened["keyVersion"]) == (MESSAGE, 1)
        refused = await keys.post(name, "decrypt", keyVersion=2, **raw)
        assert (refused.status_code, refused.json()) == (400, NOT_AUTHENTIC)
        assert_refused(await keys.post(name, "decrypt", **raw), 400, "BadRequest")
        assert_refused(await keys.post(name, "decrypt", keyVersion=3, **raw), 400, "BadRequest")
        headerless = await keys.post(name, "decrypt", ciphertextBase64=b64(theirs))
        assert (headerless.status_code, headerless.json()) == (400, NOT_AUTHENTIC)
        ours = await keys.ok(name, "encrypt", plaintextBase64=b64(MESSAGE))
        body = b64(b64decode(ours["ciphertextBase64"])[25:])
        refused = await keys.post(
            name, "decrypt", ciphertextBase64=body, format="raw", keyVersion=2
        )
        assert (refused.status_code, refused.json()) == (400, NOT_AUTHENTIC)


async def test_only_a_raw_ciphertext_has_a_version_beside_it(keys: Keys, key_id: str, alice: httpx.AsyncClient) -> None:  # fmt: skip
    ours = await keys.ok("P-256", "encrypt", plaintextBase64="aGk=")
    body = {"ciphertextBase64": ours["ciphertextBase64"]}
    assert_refused(await keys.post("P-256", "decrypt", keyVersion=1, **body), 400, "BadRequest")
    for named in ("aegis", "RAW", None, 1):
        refused = await keys.post("P-256", "decrypt", format=named, keyVersion=1, **body)
        assert_refused(refused, 400, "BadRequest")
    raw = {"ciphertextBase64": "aGk=", "format": "raw", "keyVersion": 1}
    assert_refused(await alice.post(f"/v1/keys/{key_id}/decrypt", json=raw), 400, "BadRequest")
    refused = await keys.post("P-256", "encrypt", plaintextBase64="aGk=", format="raw")
    assert_refused(refused, 400, "BadRequest")


async def test_a_secret_is_encapsulated_and_decapsulated_by_its_version(
    alice: httpx.AsyncClient,
) -> None:
    keys = await new_keys(alice, "ML-KEM-768")
    made = await keys.ok("ML-KEM-768", "encapsulate")
    assert list(made) == ["sharedSecretBase64", "ciphertextBase64", "keyVersion", "algorithm"]
    assert (made["algorithm"], made["keyVersion"]) == ("MlKem768", 1)
    await keys.rotated("ML-KEM-768")
    asked = {"ciphertextBase64": made["ciphertextBase64"]}
    opened = await keys.ok("ML-KEM-768", "decapsulate", **asked)
    secret = made["sharedSecretBase64"]
    assert opened == {"sharedSecretBase64": secret, "keyVersion": 1, "algorithm": "MlKem768"}
    refused = await keys.post("ML-KEM-768", "decapsulate", keyVersion=1, **asked)
    assert_refused(refused, 400, "BadRequest")
    whole = b64decode(made["ciphertextBase64"])
    raw = {"ciphertextBase64": b64(whole[25:]), "format": "raw"}
    assert_refused(await keys.post("ML-KEM-768", "decapsulate", **raw), 400, "BadRequest")
    assert (await keys.ok("ML-KEM-768", "decapsulate", keyVersion=1, **raw)) == opened
    other = await keys.ok("ML-KEM-768", "decapsulate", keyVersion=2, **raw)
    assert other["sharedSecretBase64"] != secret


async def test_damage_is_rejected_by_another_secret_and_damage_of_the_header_by_an_error(
    keys: Keys,
) -> None:
    made = await keys.ok("ML-KEM-768", "encapsulate")
    whole = b64decode(made["ciphertextBase64"])
    damaged = b64(whole[:-1] + bytes([whole[-1] ^ 1]))
    opened = await keys.ok("ML-KEM-768", "decapsulate", ciphertextBase64=damaged)
    assert opened["sharedSecretBase64"] != made["sharedSecretBase64"]
    for bad in (whole[:-1], whole + b"\x00", b"\x02" + whole[1:], whole[:2] + b"\x01" + whole[3:]):
        refused = await keys.post("ML-KEM-768", "decapsulate", ciphertextBase64=b64(bad))
        assert (refused.status_code, refused.json()) == (400, NOT_AUTHENTIC)


async def test_an_outsider_encapsulates(keys: Keys) -> None:
    public: Any = load_pem_public_key((await keys.public("ML-KEM-768"))["publicKeyPem"].encode())
    assert isinstance(public, mlkem.MLKEM768PublicKey)
    secret, theirs = public.encapsulate()
    raw = {"ciphertextBase64": b64(theirs), "format": "raw", "keyVersion": 1}
    opened = await keys.ok("ML-KEM-768", "decapsulate", **raw)
    assert b64decode(opened["sharedSecretBase64"]) == secret


@pytest.mark.parametrize("name", ["RSA", "P-256", "hybrid", "ML-DSA-65"])
async def test_other_keys_do_not_encapsulate(keys: Keys, name: str) -> None:
    assert_refused(await keys.post(name, "encapsulate"), 400, "BadRequest")
    refused = await keys.post(name, "decapsulate", ciphertextBase64="aGk=")
    assert_refused(refused, 400, "BadRequest")


async def test_a_hybrid_shows_its_two_public_keys_and_no_pem(keys: Keys) -> None:
    shown = await keys.public("hybrid")
    assert set(shown) == {"keyVersion", "algorithm", "publicKeyBase64"}
    assert len(b64decode(shown["publicKeyBase64"])) == 1184 + 32


async def test_a_deactivated_key_still_processes_and_a_compromised_one_does_nothing(
    alice: httpx.AsyncClient,
) -> None:
    keys = await new_keys(alice, "ML-KEM-768", "hybrid")
    sealed = await keys.ok("hybrid", "encrypt", plaintextBase64="aGk=")
    made = await keys.ok("ML-KEM-768", "encapsulate")
    processing = {
        ("hybrid", "decrypt"): {"ciphertextBase64": sealed["ciphertextBase64"]},
        ("ML-KEM-768", "decapsulate"): {"ciphertextBase64": made["ciphertextBase64"]},
    }
    protecting: dict[tuple[str, str], dict[str, str]] = {
        ("hybrid", "encrypt"): {"plaintextBase64": "aGk="},
        ("ML-KEM-768", "encapsulate"): {},
    }
    for name in ("hybrid", "ML-KEM-768"):
        await keys.ok(name, "deactivate")
    for (name, operation), body in protecting.items():
        assert_refused(await keys.post(name, operation, **body), 409, "IllegalOperation")
    for (name, operation), body in processing.items():
        await keys.ok(name, operation, **body)
    for name in ("hybrid", "ML-KEM-768"):
        await keys.ok(name, "compromise", reason="leaked")
    for (name, operation), body in {**protecting, **processing}.items():
        assert_refused(await keys.post(name, operation, **body), 409, "IllegalOperation")
