"""Write the frozen vectors of suite 1 that are not there yet: `python tests/golden/make_ciphertexts.py`.

A vector is made once and must open for ever. This never overwrites one; the keys in them are public
and protect nothing.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Any
from uuid import uuid4

from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings
from aegis_rot_inmemory.master import decode, wrapping_of
from aegis_rot_inmemory.material import open_material

from aegis_kernel import (
    Algorithm,
    Binding,
    Header,
    KeyId,
    KeySpec,
    Kind,
    Operation,
    Secret,
    SignatureAlgorithm,
    canonical_bytes,
)
from aegis_kernel.testing.doubles import plugin_context
from aegis_kernel.testing.keys import SPECS

FOLDER = Path(__file__).parent / "ciphertext"
MASTER_KEY = Secret(b64encode(bytes(range(1, 33))))
DEV_MODE = ("AES-256", "HMAC-256", "P-384", "Ed25519", "RSA-2048")
CONTEXTS: list[dict[str, str] | None] = [
    None,
    {"dataset": "q2-financials", "tenant": "acme"},
    {"": "", "straße": "東京 🔑", "a": "b,c=d"},
]


async def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for spec in (spec for spec in SPECS if spec.parameter_set is None):
        await write(spec, FOLDER / f"{spec.name}.json", dev_mode=False)
        if spec.name in DEV_MODE:
            await write(spec, FOLDER / f"{spec.name}-dev.json", dev_mode=True)


async def write(spec: KeySpec, file: Path, dev_mode: bool) -> None:
    if not file.exists():
        vector = await vector_of(spec, dev_mode)
        file.write_text(json.dumps(vector, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


async def vector_of(spec: KeySpec, dev_mode: bool) -> dict[str, Any]:
    settings = InMemorySettings(master_key=MASTER_KEY)
    context = plugin_context(settings, Path(tempfile.gettempdir()), dev_mode=dev_mode)
    root = InMemoryRootOfTrust(context)
    await root.open()
    binding = Binding(KeyId(str(uuid4())), 3, spec)
    material = await root.create(spec, binding)
    key = await root.open_key(material, binding)
    vector: dict[str, Any] = {
        "masterKey": MASTER_KEY.reveal().decode(),
        "fingerprint": root.fingerprint,
        "devMode": dev_mode,
        "keyId": binding.key_id,
        "version": binding.version,
        "spec": {
            "name": spec.name,
            "algorithm": spec.algorithm,
            "sizeBits": spec.size_bits,
            "curve": spec.curve,
        },
        "material": text(material.wrapped.reveal()),
        "publicKey": text(key.public_key) if key.public_key else None,
    }
    if spec.algorithm is Algorithm.AES:
        wrapping_key = wrapping_of(decode(MASTER_KEY)).key
        vector["keyBytes"] = text(open_material(wrapping_key, binding, material).own)
        vector["ciphertexts"] = [await ciphertext(key, binding, each) for each in CONTEXTS]
        vector["wraps"] = [await wrap(key, binding, each) for each in CONTEXTS]
    vector["signatures"] = [
        {
            "algorithm": algorithm,
            "message": text(b"invoice #1234 total $42,000"),
            "signature": text(await key.sign(algorithm, b"invoice #1234 total $42,000")),
        }
        for algorithm in SignatureAlgorithm
        if root.supports(spec, Operation.SIGN, algorithm)
    ]
    return vector


async def ciphertext(key: Any, binding: Binding, context: dict[str, str] | None) -> dict[str, Any]:
    header = Header(key.suite, Kind.DATA, binding.key_id, binding.version).encode()
    plaintext = b"q2 financial summary: $42M revenue" if context else b""
    body = await key.encrypt(header, Secret(plaintext), canonical_bytes(context))
    return {"context": context, "plaintext": text(plaintext), "ciphertext": text(header + body)}


async def wrap(key: Any, binding: Binding, context: dict[str, str] | None) -> dict[str, Any]:
    header = Header(key.suite, Kind.WRAPPED_KEY, binding.key_id, binding.version).encode()
    key_bytes = bytes(range(200, 232)) if context else bytes(range(200, 217))
    body = await key.wrap(header, Secret(key_bytes), canonical_bytes(context))
    return {"context": context, "keyBytes": text(key_bytes), "wrapped": text(header + body)}


def text(value: bytes) -> str:
    return b64encode(value).decode()


if __name__ == "__main__":
    asyncio.run(main())
