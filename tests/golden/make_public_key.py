"""Write the frozen vectors of public-key encryption, encapsulation and the forms of signatures that
are not there yet: `python tests/golden/make_public_key.py`.

A vector is made once and must open for ever. This never overwrites one; the keys in them are public
and protect nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Any
from uuid import uuid4

from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings

from aegis_kernel import (
    Binding,
    Header,
    KeyId,
    KeySpec,
    Kind,
    OpenKey,
    Secret,
    SignatureFormat,
    canonical_bytes,
)
from aegis_kernel.domain.signature import DIGEST_BYTES, ECDSA
from aegis_kernel.testing.doubles import plugin_context
from aegis_kernel.testing.keys import MESSAGE, SPECS

FOLDER = Path(__file__).parent / "public_key"
MASTER_KEY = Secret(b64encode(bytes(range(1, 33))))


async def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for spec in SPECS:
        file = FOLDER / f"{spec.name}.json"
        if spec.object_type == "PrivateKey" and not file.exists():
            file.write_text(json.dumps(await vector_of(spec), indent=1) + "\n", encoding="utf-8")


async def vector_of(spec: KeySpec) -> dict[str, Any]:
    settings = InMemorySettings(master_key=MASTER_KEY)
    root = InMemoryRootOfTrust(plugin_context(settings, Path(tempfile.gettempdir())))
    await root.open()
    binding = Binding(KeyId(str(uuid4())), 3, spec)
    material = await root.create(spec, binding)
    key = await root.open_key(material, binding)
    return {
        "masterKey": MASTER_KEY.reveal().decode(),
        "keyId": binding.key_id,
        "version": binding.version,
        "spec": {
            "name": spec.name,
            "algorithm": spec.algorithm,
            "sizeBits": spec.size_bits,
            "curve": spec.curve,
            "parameterSet": spec.parameter_set,
        },
        "material": text(material.wrapped.reveal()),
        "publicKey": text(key.public_key or b""),
        "ciphertexts": [await ciphertext(key, binding, p) for p in (b"", MESSAGE)]
        if spec.encryption_algorithm
        else [],
        "encapsulations": [await encapsulation(key, binding)]
        if spec.encapsulation_algorithm
        else [],
        "signatures": await signatures(key, spec),
    }


async def ciphertext(key: OpenKey, binding: Binding, plaintext: bytes) -> dict[str, Any]:
    header = header_of(key, binding, Kind.DATA)
    body = await key.encrypt(header, Secret(plaintext), canonical_bytes(None))
    return {"plaintext": text(plaintext), "ciphertext": text(header + body)}


async def encapsulation(key: OpenKey, binding: Binding) -> dict[str, Any]:
    made = await key.encapsulate()
    header = header_of(key, binding, Kind.ENCAPSULATED)
    return {
        "sharedSecret": text(made.shared_secret.reveal()),
        "ciphertext": text(header + made.ciphertext),
    }


async def signatures(key: OpenKey, spec: KeySpec) -> list[dict[str, Any]]:
    made = []
    for algorithm in sorted(spec.signature_algorithms):
        size = DIGEST_BYTES.get(algorithm)
        for is_digest in (False, True) if size else (False,):
            message = hashlib.new(f"sha{8 * size}", MESSAGE).digest() if is_digest else MESSAGE
            for form in SignatureFormat if algorithm in ECDSA else (SignatureFormat.DER,):
                signature = await key.sign(
                    algorithm, message, prehashed=is_digest, signature_format=form
                )
                made.append(
                    {
                        "algorithm": algorithm,
                        "messageType": "DIGEST" if is_digest else "RAW",
                        "signatureFormat": form,
                        "message": text(message),
                        "signature": text(signature),
                    }
                )
    return made


def header_of(key: OpenKey, binding: Binding, kind: Kind) -> bytes:
    assert key.suite is not None
    return Header(key.suite, kind, binding.key_id, binding.version).encode()


def text(value: bytes) -> str:
    return b64encode(value).decode()


if __name__ == "__main__":
    asyncio.run(main())
