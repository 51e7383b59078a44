"""The walkthrough, step by step, with curl, against a real server on a real socket.

The steps depend on each other, as they do for a reader; they run in order, in one process.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.server import Server, running

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"
CONTEXT = {"dataset": "q2-financials", "tenant": "acme"}


class Reader:
    """Somebody who types the walkthrough's commands, and keeps its shell variables."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.key_id = ""
        self.signature = ""
        self.ciphertext = ""

    def curl(self, method: str, path: str, body: Any = None, *headers: str) -> tuple[int, Any]:
        command = ["curl", "-s", "-X", method, self.server.url + path, "-w", "\n%{http_code}"]
        for header in headers or ("X-Aegis-User: alice",):
            command += ["-H", header]
        if body is not None:
            command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        text, _, status = answer.rpartition("\n")
        return int(status), json.loads(text)

    def key(self, operation: str, body: Any = None) -> tuple[int, Any]:
        return self.curl("POST", f"/v1/keys/{self.key_id}/{operation}", body)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with running(tmp_path_factory.mktemp("walkthrough") / "data") as server:
        yield Reader(server)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_step_2_the_log_says_what_was_started(reader: Reader) -> None:
    lines = [line for line in reader.server.log.splitlines() if line.startswith("INFO ")]
    assert re.match(r"INFO Started Aegis server on 127\.0\.0\.1:\d+$", lines[0])
    assert "INFO Crypto: InMemoryRootOfTrust" in lines
    assert "INFO Auth: dev mode (X-Aegis-User header)" in lines
    assert "INFO Tracing: OpenTelemetry SDK auto-configured (OTEL_TRACES_EXPORTER=none)" in lines
    assert any(line.startswith("INFO Persistence: SQLite event journal at ") for line in lines)
    assert re.match(r"INFO Boot complete in \d+\.\d\ds$", lines[-1])


def test_step_3_the_docs_answer_a_head_request(reader: Reader) -> None:
    command = ["curl", "-sI", f"{reader.server.url}/docs/"]
    first, *_ = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    assert first == "HTTP/1.1 200 OK"


def test_step_4_the_document_lists_every_endpoint(reader: Reader) -> None:
    status, document = reader.curl("GET", "/docs/docs.json")
    assert (status, document["openapi"]) == (200, "3.1.0")
    assert {"/v1/keys", "/v1/keys/{id}/sign", "/v1/keys/{id}/encrypt"} <= set(document["paths"])


def test_step_5_without_the_header_there_is_no_access(reader: Reader) -> None:
    status, answer = reader.curl("GET", "/v1/keys", None, "Accept: */*")
    assert (status, answer["error"]) == (401, "Unauthorized")


def test_step_6_create(reader: Reader) -> None:
    spec = {
        "name": "walkthrough-demo",
        "algorithm": "AES",
        "sizeBits": 256,
        "objectType": "SymmetricKey",
    }
    status, answer = reader.curl("POST", "/v1/keys", {"spec": spec})
    assert status == 201
    assert list(answer) == ["id", "spec", "state", "currentVersion", "createdAt"]
    assert answer["spec"] == spec
    assert list(answer["spec"]) == list(spec)
    assert (answer["state"], answer["currentVersion"]) == ("PreActive", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", answer["createdAt"])
    reader.key_id = answer["id"]


@pytest.mark.parametrize(
    "spec",
    [
        *({"algorithm": "AES", "sizeBits": size} for size in (128, 192, 256)),
        *({"algorithm": "RSA", "sizeBits": size} for size in (2048, 3072, 4096)),
        *({"algorithm": "EC", "curve": c} for c in ("P-256", "P-384", "P-521", "secp256k1")),
        *({"algorithm": "EdDSA", "curve": c} for c in ("Ed25519", "Ed448")),
        *({"algorithm": "HMAC", "sizeBits": size} for size in (256, 384, 512)),
    ],
)
def test_step_6_other_key_specs(reader: Reader, spec: dict[str, Any]) -> None:
    status, answer = reader.curl("POST", "/v1/keys", {"spec": {"name": "other", **spec}})
    assert status == 201
    assert answer["spec"].items() >= spec.items()


def test_step_7_activate(reader: Reader) -> None:
    status, answer = reader.key("activate")
    assert status == 200
    assert list(answer) == ["id", "state", "activatedAt"]
    assert (answer["id"], answer["state"]) == (reader.key_id, "Active")
    assert re.fullmatch(TIME, answer["activatedAt"])


def test_step_8_sign(reader: Reader) -> None:
    message = b64("invoice #1234 total $42,000")
    body = {"messageBase64": message, "algorithm": "RsaPssSha256"}
    status, answer = reader.key("sign", body)
    assert status == 200
    assert list(answer) == ["signatureBase64", "algorithm", "keyVersion"]
    assert (answer["algorithm"], answer["keyVersion"]) == ("RsaPssSha256", 1)
    _, hello = reader.key("sign", {"messageBase64": b64("hello"), "algorithm": "RsaPssSha256"})
    reader.signature = hello["signatureBase64"]
    status, answer = reader.key("sign", {"messageBase64": message, "algorithm": "EcdsaSha256"})
    assert (status, answer["algorithm"]) == (200, "EcdsaSha256")


def verify(reader: Reader, text: str) -> tuple[int, Any]:
    body = {
        "messageBase64": b64(text),
        "signatureBase64": reader.signature,
        "algorithm": "RsaPssSha256",
    }
    return reader.key("verify", body)


def test_step_9_verify(reader: Reader) -> None:
    assert verify(reader, "hello") == (200, {"valid": True, "algorithm": "RsaPssSha256"})
    assert verify(reader, "helloo") == (200, {"valid": False, "algorithm": "RsaPssSha256"})


def test_step_10_encrypt_and_decrypt(reader: Reader) -> None:
    plaintext = b64("q2 financial summary: $42M revenue")
    status, answer = reader.key("encrypt", {"plaintextBase64": plaintext, "context": CONTEXT})
    assert status == 200
    assert list(answer) == ["ciphertextBase64", "keyVersion", "algorithm"]
    assert answer["ciphertextBase64"].startswith("AQEBAH")
    assert (answer["keyVersion"], answer["algorithm"]) == (1, "AesGcm256")
    reader.ciphertext = answer["ciphertextBase64"]
    body = {"ciphertextBase64": reader.ciphertext, "context": CONTEXT}
    status, answer = reader.key("decrypt", body)
    assert (status, answer["plaintextBase64"]) == (200, plaintext)


def test_step_10_the_wrong_context(reader: Reader) -> None:
    context = CONTEXT | {"tenant": "different-tenant"}
    body = {"ciphertextBase64": reader.ciphertext, "context": context}
    assert reader.key("decrypt", body) == (
        400,
        {
            "error": "DecryptionFailed",
            "message": "EncryptionContext mismatch — refusing to decrypt",
        },
    )


def test_step_11_wrap_and_unwrap(reader: Reader) -> None:
    data_key = base64.b64encode(bytes(range(32))).decode()
    status, wrapped = reader.key("wrap", {"plaintextBase64": data_key})
    assert status == 200
    assert list(wrapped) == ["wrappedKeyBase64", "keyVersion", "algorithm"]
    assert wrapped["wrappedKeyBase64"].startswith("AQECAH")
    assert (wrapped["keyVersion"], wrapped["algorithm"]) == (1, "AesKeyWrap256")
    body = {"wrappedKeyBase64": wrapped["wrappedKeyBase64"]}
    assert reader.key("unwrap", body) == (200, {"plaintextBase64": data_key, "keyVersion": 1})


def test_step_12_rotate(reader: Reader) -> None:
    status, answer = reader.key("rotate", {"reason": "scheduled-rotation"})
    assert status == 200
    assert list(answer) == ["id", "previousVersion", "currentVersion", "rotatedAt"]
    assert (answer["previousVersion"], answer["currentVersion"]) == (1, 2)
    body = {"messageBase64": b64("after rotation"), "algorithm": "RsaPssSha256"}
    _, signed = reader.key("sign", body)
    assert (signed["algorithm"], signed["keyVersion"]) == ("RsaPssSha256", 2)
    assert verify(reader, "hello") == (200, {"valid": True, "algorithm": "RsaPssSha256"})


def test_step_20_what_was_made_survives_a_kill(reader: Reader) -> None:
    reader.server.kill()
    reader.server.start()
    status, view = reader.curl("GET", f"/v1/keys/{reader.key_id}")
    assert (status, view["state"], view["currentVersion"]) == (200, "Active", 2)
    assert verify(reader, "hello")[1]["valid"] is True
    body = {"ciphertextBase64": reader.ciphertext, "context": CONTEXT}
    assert reader.key("decrypt", body)[0] == 200


def test_step_13_compromise(reader: Reader) -> None:
    reason = "leaked in S3 audit on 2026-05-08"
    status, answer = reader.key("compromise", {"reason": reason})
    assert status == 200
    assert list(answer) == ["id", "state", "compromisedAt", "reason"]
    assert (answer["state"], answer["reason"]) == ("Compromised", reason)
    body = {"messageBase64": b64("too late"), "algorithm": "RsaPssSha256"}
    assert reader.key("sign", body) == (
        409,
        {"error": "IllegalOperation", "message": "Cannot sign with key in state Compromised"},
    )


def test_step_14_the_audit_log_has_every_operation(reader: Reader) -> None:
    _await_record(reader, "key state=Compromised")
    assert reader.server.terminate() == 0
    rows: dict[str, dict[str, Any]] = {}
    for run in sorted(reader.server.stdout.parent.glob("data.*.out")):
        for line in run.read_text().splitlines():
            row = json.loads(line)
            rows[row["eventId"]] = row
    mine = [row for row in rows.values() if row.get("keyId") == reader.key_id]
    seen = [(row["op"], row["outcome"]) for row in mine]
    assert seen == [
        ("KeyCreated", "Success"),
        ("KeyActivated", "Success"),
        ("Sign", "Success"),
        ("Sign", "Success"),
        ("Sign", "Success"),
        ("Verify", "Success"),
        ("Verify", "InvalidSignature"),
        ("Encrypt", "Success"),
        ("Decrypt", "Success"),
        ("Decrypt", "DecryptionFailed"),
        ("Wrap", "Success"),
        ("Unwrap", "Success"),
        ("Rotate", "Success"),
        ("Sign", "Success"),
        ("Verify", "Success"),
        ("Verify", "Success"),
        ("Decrypt", "Success"),
        ("Compromise", "Success"),
        ("Sign", "IllegalOperation"),
    ]
    created, signed = mine[0], mine[2]
    assert list(created)[:7] == ["ts", "actor", "actorKind", "op", "keyId", "outcome", "keyVersion"]
    assert (created["actor"], created["actorKind"], created["keyVersion"]) == ("alice", "Human", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", created["ts"])
    assert (signed["keyVersion"], signed["alg"]) == (1, "RsaPssSha256")
    rotated, compromised, refused = mine[12], mine[17], mine[18]
    assert (rotated["previousVersion"], rotated["currentVersion"]) == (1, 2)
    assert compromised["severity"] == "Critical"
    assert compromised["reason"] == "leaked in S3 audit on 2026-05-08"
    assert refused["reason"] == "key state=Compromised"


def test_step_15_metrics_count_attempts_and_errors(reader: Reader) -> None:
    reader.server.start()
    spec = {"name": "metrics", "algorithm": "AES", "sizeBits": 256}
    reader.key_id = reader.curl("POST", "/v1/keys", {"spec": spec})[1]["id"]
    reader.key("activate")
    reader.key("sign", {"messageBase64": b64("x"), "algorithm": "RsaPssSha256"})
    assert verify(reader, "x")[1]["valid"] is False
    reader.key("decrypt", {"ciphertextBase64": reader.ciphertext})
    reader.key("activate")
    page = subprocess.run(
        ["curl", "-s", f"{reader.server.url}/metrics"], capture_output=True, text=True
    ).stdout
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name.startswith(("aegis_keys_op_total", "aegis_keys_op_errors"))
    }
    total = "aegis_keys_op_total"
    errors = "aegis_keys_op_errors_total"
    assert samples == {
        (total, ("operation", "Create")): 1.0,
        (total, ("operation", "Activate")): 2.0,
        (total, ("operation", "Sign")): 1.0,
        (total, ("operation", "Verify")): 1.0,
        (total, ("operation", "Decrypt")): 1.0,
        (errors, ("code", "InvalidSignature"), ("operation", "Verify")): 1.0,
        (errors, ("code", "DecryptionFailed"), ("operation", "Decrypt")): 1.0,
        (errors, ("code", "IllegalOperation"), ("operation", "Activate")): 1.0,
    }
    assert reader.key_id not in page
    assert "alice" not in page


def _await_record(reader: Reader, text: str) -> None:
    """Wait until a record with this text is delivered.

    A server that was killed kept its lease on the delivery; on Postgres that takes 12 s to expire.
    """
    until = time.monotonic() + 30
    while not any(text in line for line in reader.server.audit_lines):
        assert time.monotonic() < until, reader.server.log
        time.sleep(0.05)


def test_a_server_that_is_told_to_stop_says_goodbye(tmp_path: Path) -> None:
    with running(tmp_path / "data", AEGIS_DRAIN_SECONDS="1") as server:
        assert server.terminate() == 0
        assert "Traceback" not in server.log
