"""The plugin as the kernel meets it: found by its name, built without I/O, shut before and after."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest
from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings, Plugin

from aegis_kernel import Algorithm, Binding, KeyId, KeySpec, Material, Secret, UnavailableError
from aegis_kernel.testing.doubles import plugin_context

SPEC = KeySpec(name="demo", algorithm=Algorithm.AES, size_bits=256)
BINDING = Binding(KeyId("8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"), 1, SPEC)


def test_the_entry_point_names_the_plugin_class() -> None:
    (found,) = entry_points(group="aegis.root_of_trust", name="inmemory")
    assert found.load() is Plugin
    assert Plugin.spi_version == 1
    assert Plugin.settings is InMemorySettings


async def test_building_it_does_nothing_and_opening_it_makes_it_ready(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    root = Plugin().aegis_root_of_trust(plugin_context(InMemorySettings(), data_dir))
    assert isinstance(root, InMemoryRootOfTrust)
    assert not data_dir.exists()
    assert root.fingerprint is None
    assert (await root.check()).status == "unavailable"
    await root.open()
    assert root.fingerprint
    assert (await root.check()).status == "ok"


async def test_before_it_is_open_and_after_it_is_closed_it_makes_and_opens_nothing(
    tmp_path: Path,
) -> None:
    root = InMemoryRootOfTrust(plugin_context(InMemorySettings(), tmp_path))
    with pytest.raises(UnavailableError):
        await root.create(SPEC, BINDING)
    await root.open()
    material = await root.create(SPEC, BINDING)
    await root.aclose()
    with pytest.raises(UnavailableError):
        await root.create(SPEC, BINDING)
    for each in (material, Material("inmemory", Secret(b""))):
        with pytest.raises(UnavailableError):
            await root.open_key(each, BINDING)
