"""Write the frozen vectors of MACs, key agreement and RFC 5649 that are not there yet:
`python tests/golden/make_secrets.py`.

A vector is made once and must come out the same for ever. This never overwrites one; the keys in
them are public and protect nothing.
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

from aegis_kernel import Binding, KeyId, KeySpec, OpenKey, Secret
from aegis_kernel.testing.doubles import plugin_context
from aegis_kernel.testing.keys import SPECS
from aegis_kernel.testing.root_of_trust_secrets import INTEROP

FOLDER = Path(__file__).parent / "secrets"
MASTER_KEY = Secret(b64encode(bytes(range(1, 33))))
MESSAGES = (b"", b"invoice #1234 total $42,000", bytes(range(256)))
INFO = b"aegis-ecdh-v1\x00 and what else both sides know"


async def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    able = [spec for spec in SPECS if spec.mac_algorithm or spec.agreement_algorithm]
    for spec in (*able, *INTEROP):
        file = FOLDER / f"{spec.name}.json"
        if not file.exists():
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
            "usages": sorted(spec.usages) if spec.usages else None,
        },
        "material": text(material.wrapped.reveal()),
        "cases": await cases(root, spec, key),
    }


async def cases(root: InMemoryRootOfTrust, spec: KeySpec, key: OpenKey) -> list[dict[str, Any]]:
    if spec.mac_algorithm is not None:
        algorithm = spec.mac_algorithm
        return [
            {"message": text(message), "mac": text(await key.mac(algorithm, message))}
            for message in MESSAGES
        ]
    if spec.agreement_algorithm is not None:
        peer = (await root.generate_pair(spec)).public
        return [
            {
                "peer": text(peer),
                "info": text(INFO),
                "secret": text(
                    (await key.derive(spec.agreement_algorithm, peer, INFO, length)).reveal()
                ),
            }
            for length in (16, 32, 64)
        ]
    return [
        {"keyBytes": text(each), "wrapped": text(await key.wrap_rfc5649(Secret(each)))}
        for each in (b"7 bytes", bytes(range(32)), bytes(range(255)) * 9)
    ]


def text(value: bytes) -> str:
    return b64encode(value).decode()


if __name__ == "__main__":
    asyncio.run(main())
