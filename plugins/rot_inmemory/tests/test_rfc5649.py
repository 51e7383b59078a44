"""The vectors of RFC 5649 §6, through our own code: sealed, opened, wrapped and unwrapped."""

from __future__ import annotations

from pathlib import Path

import pytest
from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings
from aegis_rot_inmemory.master import decode, wrapping_of
from aegis_rot_inmemory.material import KeyBytes, seal_material

from aegis_kernel import Algorithm, Binding, KeyId, KeySpec, OpenKey, Secret, Usage
from aegis_kernel.testing.doubles import plugin_context

MASTER_KEY = Secret(b"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=")
KEK = bytes.fromhex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
VECTORS = {
    "c37b7e6492584340bed12207808941155068f738": (
        "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"
    ),
    "466f7250617369": "afbeb0f07dfbf5419200f2ccb50bb24f",
}
SPEC = KeySpec(
    name="kek", algorithm=Algorithm.AES, size_bits=192, usages=frozenset({Usage.WRAP_RFC5649})
)


async def opened(tmp_path: Path) -> OpenKey:
    settings = InMemorySettings(master_key=MASTER_KEY)
    root = InMemoryRootOfTrust(plugin_context(settings, tmp_path))
    await root.open()
    binding = Binding(KeyId("757ec7cc-9fb3-4003-a900-5a2cf912feba"), 1, SPEC)
    wrapping_key = wrapping_of(decode(MASTER_KEY)).key
    return await root.open_key(seal_material(wrapping_key, binding, KeyBytes(own=KEK)), binding)


@pytest.mark.parametrize(("plain", "wrapped"), VECTORS.items())
async def test_the_vectors_of_the_standard(plain: str, wrapped: str, tmp_path: Path) -> None:
    key = await opened(tmp_path)
    made = await key.wrap_rfc5649(Secret(bytes.fromhex(plain)))
    assert made.hex() == wrapped
    assert (await key.unwrap_rfc5649(made)).reveal().hex() == plain
