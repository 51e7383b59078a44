"""What a key pair once made must open and verify for ever: frozen vectors, one file per spec."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings

from aegis_kernel import (
    HEADER_BYTES,
    Algorithm,
    Binding,
    Curve,
    DecryptionFailedError,
    KeyId,
    KeySpec,
    Material,
    OpenKey,
    ParameterSet,
    Secret,
    SignatureAlgorithm,
    SignatureFormat,
    canonical_bytes,
)
from aegis_kernel.testing.doubles import plugin_context

VECTORS = sorted((Path(__file__).parents[3] / "tests/golden/public_key").glob("*.json"))
SUITES = {
    "RSA-2048": 2, "RSA-3072": 2, "RSA-4096": 2, "P-256": 3, "P-384": 4, "P-521": 5,
    "ML-KEM-768-X25519": 6, "ML-KEM-1024-P384": 7, "ML-KEM-768": 8, "ML-KEM-1024": 9,
}  # fmt: skip
NO_CONTEXT = canonical_bytes(None)

every_vector = pytest.mark.parametrize("file", VECTORS, ids=lambda file: file.stem)


async def opened(vector: dict[str, Any], tmp_path: Path) -> OpenKey:
    settings = InMemorySettings(master_key=Secret(vector["masterKey"].encode()))
    root = InMemoryRootOfTrust(plugin_context(settings, tmp_path))
    await root.open()
    spec = vector["spec"]
    key_spec = KeySpec(
        name=spec["name"],
        algorithm=Algorithm(spec["algorithm"]),
        size_bits=spec["sizeBits"],
        curve=Curve(spec["curve"]) if spec["curve"] else None,
        parameter_set=ParameterSet(spec["parameterSet"]) if spec["parameterSet"] else None,
    )
    binding = Binding(KeyId(vector["keyId"]), vector["version"], key_spec)
    material = Material("inmemory", Secret(b64decode(vector["material"])))
    return await root.open_key(material, binding)


def read(file: Path) -> dict[str, Any]:
    vector: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return vector


def test_there_is_a_vector_for_every_kind_of_key_pair() -> None:
    assert len(VECTORS) == 16
    assert {read(file)["spec"]["name"] for file in VECTORS} > set(SUITES)


@every_vector
async def test_a_frozen_key_pair_is_the_same_key_pair(file: Path, tmp_path: Path) -> None:
    vector = read(file)
    key = await opened(vector, tmp_path)
    assert key.public_key == b64decode(vector["publicKey"])
    assert (key.suite.number if key.suite else None) == SUITES.get(file.stem)


@every_vector
async def test_frozen_public_key_ciphertexts_open(file: Path, tmp_path: Path) -> None:
    vector = read(file)
    key = await opened(vector, tmp_path)
    for case in vector["ciphertexts"]:
        whole = b64decode(case["ciphertext"])
        header, body = whole[:HEADER_BYTES], whole[HEADER_BYTES:]
        found = await key.decrypt(header, body, NO_CONTEXT)
        assert found.reveal() == b64decode(case["plaintext"])
        with pytest.raises(DecryptionFailedError):
            await key.decrypt(header, body[:-1] + bytes([body[-1] ^ 1]), NO_CONTEXT)
    for case in vector["encapsulations"]:
        whole = b64decode(case["ciphertext"])
        secret = await key.decapsulate(whole[HEADER_BYTES:])
        assert secret.reveal() == b64decode(case["sharedSecret"])


@every_vector
async def test_frozen_signatures_verify_in_their_form(file: Path, tmp_path: Path) -> None:
    vector = read(file)
    key = await opened(vector, tmp_path)
    for case in vector["signatures"]:
        algorithm = SignatureAlgorithm(case["algorithm"])
        message, signature = b64decode(case["message"]), b64decode(case["signature"])
        form: Any = {
            "prehashed": case["messageType"] == "DIGEST",
            "signature_format": SignatureFormat(case["signatureFormat"]),
        }
        assert await key.verify(algorithm, message, signature, **form)
        assert not await key.verify(algorithm, bytes(len(message)), signature, **form)
