"""What was once made must open for ever: frozen vectors, one file per kind of key."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings
from aegis_rot_inmemory.master import decode, wrapping_of
from aegis_rot_inmemory.material import open_material

from aegis_kernel import (
    CONTEXT_MISMATCH,
    HEADER_BYTES,
    Algorithm,
    Binding,
    Curve,
    DecryptionFailedError,
    KeyId,
    KeySpec,
    Material,
    OpenKey,
    RootOfTrust,
    Secret,
    SignatureAlgorithm,
    canonical_bytes,
)
from aegis_kernel.testing.doubles import plugin_context

VECTORS = sorted((Path(__file__).parents[3] / "tests/golden/ciphertext").glob("*.json"))
# These make the same signature every time, so a frozen one can also be made again.
DETERMINISTIC = [a for a in SignatureAlgorithm if a.startswith(("RsaPkcs1", "Ed"))]

every_vector = pytest.mark.parametrize("file", VECTORS, ids=lambda file: file.stem)


def binding_of(vector: dict[str, Any]) -> Binding:
    spec = vector["spec"]
    return Binding(
        KeyId(vector["keyId"]),
        vector["version"],
        KeySpec(
            name=spec["name"],
            algorithm=Algorithm(spec["algorithm"]),
            size_bits=spec["sizeBits"],
            curve=Curve(spec["curve"]) if spec["curve"] else None,
        ),
    )


async def opened(vector: dict[str, Any], tmp_path: Path) -> tuple[RootOfTrust, OpenKey]:
    settings = InMemorySettings(master_key=Secret(vector["masterKey"].encode()))
    root = InMemoryRootOfTrust(plugin_context(settings, tmp_path, dev_mode=vector["devMode"]))
    await root.open()
    material = Material("inmemory", Secret(b64decode(vector["material"])))
    return root, await root.open_key(material, binding_of(vector))


def test_there_is_a_vector_for_every_kind_of_key_and_for_dev_mode() -> None:
    assert len(VECTORS) == 20


@every_vector
async def test_frozen_material_opens_and_is_the_same_key(file: Path, tmp_path: Path) -> None:
    vector = json.loads(file.read_text(encoding="utf-8"))
    root, key = await opened(vector, tmp_path)
    assert root.fingerprint == vector["fingerprint"]
    assert key.public_key == (b64decode(vector["publicKey"]) if vector["publicKey"] else None)
    if "keyBytes" in vector:
        wrapping_key = wrapping_of(decode(Secret(vector["masterKey"].encode()))).key
        material = Material("inmemory", Secret(b64decode(vector["material"])))
        key_bytes = open_material(wrapping_key, binding_of(vector), material)
        assert key_bytes.own == b64decode(vector["keyBytes"])


@every_vector
async def test_frozen_ciphertexts_and_wraps_open_in_their_context_alone(
    file: Path, tmp_path: Path
) -> None:
    vector = json.loads(file.read_text(encoding="utf-8"))
    _, key = await opened(vector, tmp_path)
    cases = [
        (key.decrypt, each, "ciphertext", "plaintext") for each in vector.get("ciphertexts", ())
    ]
    cases += [(key.unwrap, each, "wrapped", "keyBytes") for each in vector.get("wraps", ())]
    for opens, case, sealed, inside in cases:
        whole = b64decode(case[sealed])
        header, body = whole[:HEADER_BYTES], whole[HEADER_BYTES:]
        found = await opens(header, body, canonical_bytes(case["context"]))
        assert found.reveal() == b64decode(case[inside])
        with pytest.raises(DecryptionFailedError) as caught:
            await opens(header, body, canonical_bytes({"tenant": "different-tenant"}))
        assert caught.value.message == CONTEXT_MISMATCH


@every_vector
async def test_frozen_signatures_verify(file: Path, tmp_path: Path) -> None:
    vector = json.loads(file.read_text(encoding="utf-8"))
    _, key = await opened(vector, tmp_path)
    for case in vector["signatures"]:
        algorithm = SignatureAlgorithm(case["algorithm"])
        message, signature = b64decode(case["message"]), b64decode(case["signature"])
        assert await key.verify(algorithm, message, signature)
        assert not await key.verify(algorithm, message + b".", signature)
        if algorithm in DETERMINISTIC:
            assert await key.sign(algorithm, message) == signature
