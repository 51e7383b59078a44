"""Write the frozen vectors of imports that are not there yet: `python tests/golden/make_imports.py`.

A vector is made once and must open for ever: the token, what was wrapped under it, and the material
that came of both. This never overwrites one; the keys in them are public and protect nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Any
from uuid import uuid4

from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

from aegis_kernel import (
    Binding,
    KeyId,
    KeySpec,
    Operation,
    PublicImport,
    Secret,
    TokenBinding,
    WrappedImport,
)
from aegis_kernel.testing.doubles import plugin_context
from aegis_kernel.testing.keys import SPECS

FOLDER = Path(__file__).parent / "imports"
MASTER_KEY = Secret(b64encode(bytes(range(1, 33))))
MESSAGE = b"invoice #1234 total $42,000"
EXPIRES = 1_778_376_225


async def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    settings = InMemorySettings(master_key=MASTER_KEY)
    root = InMemoryRootOfTrust(plugin_context(settings, Path(tempfile.gettempdir())))
    await root.open()
    for spec in SPECS:
        file = FOLDER / f"{spec.name}.json"
        if not file.exists() and root.supports(spec, Operation.IMPORT):
            vector = await vector_of(root, spec)
            file.write_text(json.dumps(vector, indent=1) + "\n", encoding="utf-8")


async def vector_of(root: InMemoryRootOfTrust, spec: KeySpec) -> dict[str, Any]:
    binding = Binding(KeyId(str(uuid4())), 2, spec)
    token_binding = TokenBinding(binding.key_id, spec, EXPIRES)
    given = await root.create_wrapping_key(token_binding)
    plain, public = await material_of(root, spec)
    wrapped = wrap(given.public, plain)
    imported = WrappedImport(given.token, token_binding, wrapped)
    material = await root.import_material(binding, imported)
    vector: dict[str, Any] = {
        "masterKey": MASTER_KEY.reveal().decode(),
        "keyId": binding.key_id,
        "version": binding.version,
        "expires": EXPIRES,
        "spec": {
            "name": spec.name,
            "algorithm": spec.algorithm,
            "sizeBits": spec.size_bits,
            "curve": spec.curve,
            "parameterSet": spec.parameter_set,
        },
        "token": text(given.token.reveal()),
        "wrapped": text(wrapped),
        "plain": text(plain),
        "material": text(material.wrapped.reveal()),
    }
    if public is not None:
        vector["publicKey"] = text(public)
    if spec.signature_algorithms and public is not None:
        algorithm = sorted(spec.signature_algorithms)[0]
        key = await root.open_key(material, binding)
        verifying = await root.import_material(binding, PublicImport(public))
        vector["publicMaterial"] = text(verifying.wrapped.reveal())
        vector["algorithm"] = algorithm
        vector["message"] = text(MESSAGE)
        vector["signature"] = text(await key.sign(algorithm, MESSAGE))
    return vector


async def material_of(root: InMemoryRootOfTrust, spec: KeySpec) -> tuple[bytes, bytes | None]:
    if spec.size_bits is not None and not spec.signature_algorithms:
        return os.urandom(spec.size_bits // 8), None
    pair = await root.generate_pair(spec)
    return pair.private.reveal(), pair.public


def wrap(public: bytes, material: bytes) -> bytes:
    """Wrap `material` as its owner would: CKM_RSA_AES_KEY_WRAP, by the library."""
    wrapping_key = load_der_public_key(public)
    assert isinstance(wrapping_key, rsa.RSAPublicKey)
    key = os.urandom(32)
    oaep = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
    return wrapping_key.encrypt(key, oaep) + aes_key_wrap_with_padding(key, material)


def text(value: bytes) -> str:
    return b64encode(value).decode()


if __name__ == "__main__":
    asyncio.run(main())
