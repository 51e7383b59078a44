"""What was once made must come out the same for ever: MACs, agreed secrets, RFC 5649."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings

from aegis_kernel import (
    Algorithm,
    Binding,
    Curve,
    KeyId,
    KeySpec,
    Material,
    OpenKey,
    Secret,
    Usage,
)
from aegis_kernel.testing.doubles import plugin_context

VECTORS = sorted((Path(__file__).parents[3] / "tests/golden/secrets").glob("*.json"))

every_vector = pytest.mark.parametrize("file", VECTORS, ids=lambda file: file.stem)


def spec_of(said: dict[str, Any]) -> KeySpec:
    return KeySpec(
        name=said["name"],
        algorithm=Algorithm(said["algorithm"]),
        size_bits=said["sizeBits"],
        curve=Curve(said["curve"]) if said["curve"] else None,
        usages=frozenset(map(Usage, said["usages"])) if said["usages"] else None,
    )


async def opened(vector: dict[str, Any], spec: KeySpec, tmp_path: Path) -> OpenKey:
    settings = InMemorySettings(master_key=Secret(vector["masterKey"].encode()))
    root = InMemoryRootOfTrust(plugin_context(settings, tmp_path))
    await root.open()
    material = Material("inmemory", Secret(b64decode(vector["material"])))
    return await root.open_key(material, Binding(KeyId(vector["keyId"]), vector["version"], spec))


def test_there_is_a_vector_for_every_kind_of_key() -> None:
    assert len(VECTORS) == 10


@every_vector
async def test_a_frozen_vector_comes_out_the_same(file: Path, tmp_path: Path) -> None:
    vector = json.loads(file.read_text(encoding="utf-8"))
    spec = spec_of(vector["spec"])
    key = await opened(vector, spec, tmp_path)
    assert len(vector["cases"]) == 3
    for texts in vector["cases"]:
        case = {name: b64decode(text) for name, text in texts.items()}
        if spec.mac_algorithm is not None:
            assert await key.mac(spec.mac_algorithm, case["message"]) == case["mac"]
            assert await key.verify_mac(spec.mac_algorithm, case["message"], case["mac"])
        elif spec.agreement_algorithm is not None:
            length = len(case["secret"])
            found = await key.derive(spec.agreement_algorithm, case["peer"], case["info"], length)
            assert found.reveal() == case["secret"]
        else:
            assert await key.wrap_rfc5649(Secret(case["keyBytes"])) == case["wrapped"]
            assert (await key.unwrap_rfc5649(case["wrapped"])).reveal() == case["keyBytes"]
