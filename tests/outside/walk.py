"""A walk through every operation that the document has, with payloads that one can look for later."""

from __future__ import annotations

import base64
import secrets
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.outside.secured import AES

HMAC: dict[str, Any] = {"algorithm": "HMAC", "sizeBits": 256}
RSA: dict[str, Any] = {"algorithm": "RSA", "sizeBits": 2048}
EC: dict[str, Any] = {"algorithm": "EC", "curve": "P-256"}
ML_KEM: dict[str, Any] = {"algorithm": "ML-KEM", "parameterSet": "ML-KEM-768"}
PSS, HS256, ECDH = "RsaPssSha256", "HmacSha256", "EcdhHkdfSha256"


class Step(msgspec.Struct, frozen=True):
    """One request: which operation of the document, on which key, and what came of it."""

    operation: str
    key_id: str | None
    answer: httpx.Response


class Walk:
    """Asks as `http` for everything. `payload` (32 bytes) is what is encrypted, signed and wrapped."""

    def __init__(self, http: httpx.Client, payload: bytes, context: str = "outside") -> None:
        self._http = http
        self._context = {"walk": context}
        self._payload = base64.b64encode(payload).decode()
        self.steps: list[Step] = []

    def everything(self) -> None:
        """Go all the way: each operation at least once with success, and the usual failures."""
        self._symmetric()
        self._signatures()
        self._secrets()
        self._imports()
        self._lists()
        self._agents()
        self._grants()
        self._lifecycle()

    def refusals(self) -> None:
        """Have everything refused: no credentials, no right, no key, wrong state, wrong bytes."""
        key_id = self._create(AES)
        body = {"plaintextBase64": self._payload, "context": self._context}
        self._ask("encrypt", "POST", f"/v1/keys/{key_id}/encrypt", body, status=409)
        self._on("activate", key_id, "activate")
        sealed = self._on("encrypt", key_id, "encrypt", body)["ciphertextBase64"]
        other = {"ciphertextBase64": sealed, "context": {"walk": "elsewhere"}}
        self._ask("decrypt", "POST", f"/v1/keys/{key_id}/decrypt", other, status=400)
        damaged = {"ciphertextBase64": self._payload, "context": self._context}
        self._ask("decrypt", "POST", f"/v1/keys/{key_id}/decrypt", damaged, status=400)
        self._ask("unwrap", "POST", f"/v1/keys/{key_id}/unwrap", damaged, status=400)
        misplaced = {"algorithm": self._payload, "messageBase64": self._payload}
        self._ask("sign", "POST", f"/v1/keys/{key_id}/sign", misplaced, status=400)
        unknown = {"plaintextBase64": self._payload, self._payload: self._payload}
        self._ask("wrap", "POST", f"/v1/keys/{key_id}/wrap", unknown, status=400)
        signing = {"messageBase64": self._payload, "algorithm": PSS}
        self._ask("sign", "POST", f"/v1/keys/{key_id}/sign", signing, status=400)
        nobody = "8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"
        self._ask("encrypt", "POST", f"/v1/keys/{nobody}/encrypt", body, status=404)
        self._on("compromise", key_id, "compromise", {"reason": "walked"})
        self._ask("encrypt", "POST", f"/v1/keys/{key_id}/encrypt", body, status=409)

    def _symmetric(self) -> None:
        key_id = self._active(AES)
        plain = {"plaintextBase64": self._payload, "context": self._context}
        sealed = self._on("encrypt", key_id, "encrypt", plain)["ciphertextBase64"]
        opened = {"ciphertextBase64": sealed, "context": self._context}
        assert self._on("decrypt", key_id, "decrypt", opened)["plaintextBase64"] == self._payload
        moved = opened | {"destinationKeyId": self._active(AES)}
        self._on("reEncrypt", key_id, "reencrypt", moved)
        wrapped = self._on("wrap", key_id, "wrap", plain)["wrappedKeyBase64"]
        unwrap = {"wrappedKeyBase64": wrapped, "context": self._context}
        assert self._on("unwrap", key_id, "unwrap", unwrap)["plaintextBase64"] == self._payload
        self._batch("encrypt", key_id, plain)
        self._batch("decrypt", key_id, opened)
        self._batch("wrap", key_id, plain)
        self._batch("unwrap", key_id, unwrap)
        size = {"sizeBits": 256, "context": self._context}
        pair = {"spec": EC, "context": self._context}
        self._on("generateDataKey", key_id, "generate-data-key", size)
        self._on("generateDataKeyWrappedOnly", key_id, "generate-data-key/wrapped-only", size)
        self._on("generateDataKeyPair", key_id, "generate-data-key-pair", pair)
        only = "generate-data-key-pair/wrapped-only"
        self._on("generateDataKeyPairWrappedOnly", key_id, only, pair)

    def _signatures(self) -> None:
        key_id = self._active(RSA)
        signing = {"messageBase64": self._payload, "algorithm": PSS}
        signature = self._on("sign", key_id, "sign", signing)["signatureBase64"]
        verifying = signing | {"signatureBase64": signature}
        assert self._on("verify", key_id, "verify", verifying)["valid"] is True
        self._batch("sign", key_id, signing)
        self._batch("verify", key_id, verifying)
        self._get("getPublicKey", f"/v1/keys/{key_id}/public-key", key_id)
        self._get("jwks", "/.well-known/jwks.json")

    def _secrets(self) -> None:
        key_id = self._active(HMAC)
        body = {"messageBase64": self._payload, "algorithm": HS256}
        mac = self._on("mac", key_id, "mac", body)["macBase64"]
        verifying = body | {"macBase64": mac}
        assert self._on("verifyMac", key_id, "verify-mac", verifying)["valid"] is True
        self._batch("mac", key_id, body)
        self._batch("verify-mac", key_id, verifying)
        mine, theirs = self._active(EC), self._active(EC)
        path = f"/v1/keys/{theirs}/public-key"
        pem = self._get("getPublicKey", path, theirs)["publicKeyPem"]
        derive = {"publicKeyPem": pem, "algorithm": ECDH, "sizeBits": 256}
        derive["infoBase64"] = self._payload
        self._on("derive", mine, "derive", derive)
        self._ask("random", "POST", "/v1/random", {"bytes": 32})
        kem = self._active(ML_KEM)
        sealed = self._on("encapsulate", kem, "encapsulate", {})["ciphertextBase64"]
        self._on("decapsulate", kem, "decapsulate", {"ciphertextBase64": sealed})

    def _imports(self) -> None:
        key_id = self._create(AES)
        token = self._on("createImportToken", key_id, "import/token")
        wrapped = _wrap_for_import(token["wrappingKeyPem"], self._payload)
        body = {"importToken": token["importToken"], "wrappedMaterialBase64": wrapped}
        self._on("import", key_id, "import", body)

    def _lists(self) -> None:
        key_id = self._create(AES)
        alias = f"/v1/aliases/walk-{key_id}"
        self._ask("setAlias", "PUT", alias, {"keyId": key_id}, key_id=key_id)
        self._get("listAliases", "/v1/aliases")
        self._ask("deleteAlias", "DELETE", alias, key_id=key_id)
        self._get("list", "/v1/keys")
        self._get("get", f"/v1/keys/{key_id}", key_id)
        for page in ("healthz", "livez", "readyz", "metrics"):
            self._get(page, f"/{page}")
        self._get("plugins", "/v1/plugins")

    def _agents(self) -> None:
        key_id = self._active(AES)
        # A scope is a rule: it is kept and shown as it is, unlike a context that comes with a payload.
        scope = {"keys": [key_id], "operations": ["Encrypt"], "context": {"walk": "agent"}}
        wanted = {"label": "walk", "scopes": [scope], "ttlSeconds": 60}
        agent_id = self._ask("issueAgent", "POST", "/v1/agents", wanted)["id"]
        self._get("listAgents", "/v1/agents")
        self._get("getAgent", f"/v1/agents/{agent_id}")
        because = {"reason": "walk"}
        self._ask("revokeAgent", "POST", f"/v1/agents/{agent_id}/revoke", because)
        self._ask("revokeAgents", "POST", "/v1/agents/revoke", {"parent": "alice"})

    def _grants(self) -> None:
        key_id = self._active(AES)
        wanted = {"grantee": "bob", "operations": ["Encrypt"], "context": {"walk": "grant"}}
        grants = f"/v1/keys/{key_id}/grants"
        limits = {"ttlSeconds": 60, "maxUses": 2}
        grant = self._ask("createGrant", "POST", grants, wanted | limits, key_id=key_id)
        self._get("listGrants", grants, key_id)
        self._on("retireGrant", key_id, f"grants/{grant['id']}/retire", {"reason": "walk"})

    def _lifecycle(self) -> None:
        key_id = self._active(AES)
        tags = {"tags": {"team": "outside"}}
        self._ask("update", "PATCH", f"/v1/keys/{key_id}", tags, key_id=key_id)
        self._on("disable", key_id, "disable", {"reason": "walk"})
        self._on("enable", key_id, "enable")
        self._on("rotate", key_id, "rotate", {"reason": "walk"})
        self._get("listVersions", f"/v1/keys/{key_id}/versions", key_id)
        self._on("compromiseVersion", key_id, "versions/1/compromise", {"reason": "walk"})
        self._on("deactivate", key_id, "deactivate")
        self._ask("scheduleDestruction", "DELETE", f"/v1/keys/{key_id}", key_id=key_id)
        self._on("cancelDestruction", key_id, "cancel-destruction")
        self._on("compromise", key_id, "compromise", {"reason": "walk"})

    def _create(self, spec: dict[str, Any]) -> str:
        answered = self._ask("create", "POST", "/v1/keys", {"spec": {"name": "walk", **spec}})
        key_id: str = answered["id"]
        self.steps[-1] = Step("create", key_id, self.steps[-1].answer)
        return key_id

    def _active(self, spec: dict[str, Any]) -> str:
        key_id = self._create(spec)
        self._on("activate", key_id, "activate")
        return key_id

    def _batch(self, operation: str, key_id: str, item: dict[str, Any]) -> None:
        first, *rest = operation.split("-")
        name = first + "".join(word.capitalize() for word in rest)
        items = {"items": [item | {"reference": "1"}, item | {"reference": "2"}]}
        answered = self._on(f"{name}Batch", key_id, f"{operation}/batch", items)
        assert not [one for one in answered["items"] if "error" in one], answered

    def _on(self, operation: str, key_id: str, path: str, body: Any = None) -> Any:
        return self._ask(operation, "POST", f"/v1/keys/{key_id}/{path}", body, key_id=key_id)

    def _get(self, operation: str, path: str, key_id: str | None = None) -> Any:
        return self._ask(operation, "GET", path, key_id=key_id)

    def _ask(
        self,
        operation: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        key_id: str | None = None,
        status: int | None = None,
    ) -> Any:
        content = {} if body is None else {"json": body}
        answer = self._http.request(method, path, **content)
        self.steps.append(Step(operation, key_id, answer))
        expected = answer.status_code < 300 if status is None else answer.status_code == status
        assert expected, (operation, answer.status_code, answer.text)
        is_json = answer.headers.get("content-type") == "application/json"
        return answer.json() if is_json else None


def _wrap_for_import(wrapping_key_pem: str, material_base64: str) -> str:
    """Wrap as PKCS #11 has it in CKM_RSA_AES_KEY_WRAP: under a fresh AES key, and that under RSA."""
    wrapping_key = load_pem_public_key(wrapping_key_pem.encode())
    assert isinstance(wrapping_key, RSAPublicKey)
    between = secrets.token_bytes(32)
    oaep = OAEP(MGF1(SHA256()), SHA256(), None)
    wrapped = aes_key_wrap_with_padding(between, base64.b64decode(material_base64))
    return base64.b64encode(wrapping_key.encrypt(between, oaep) + wrapped).decode()
