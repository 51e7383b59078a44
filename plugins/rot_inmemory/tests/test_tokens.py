"""Import tokens: each opens for its own key, spec and expiry, under a master key that is at hand."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings
from aegis_rot_inmemory.material import KeyBytes, seal_material
from aegis_rot_inmemory.tokens import open_token, seal_token
from msgspec.structs import replace

from aegis_kernel import (
    Algorithm,
    BadRequestError,
    Binding,
    InternalError,
    KeyId,
    KeySpec,
    Material,
    Secret,
    TokenBinding,
    WrappedImport,
)
from aegis_kernel.testing.doubles import plugin_context
from aegis_kernel.testing.keys import damaged

WRAPPING_KEY = Secret(bytes(range(1, 33)))
SPEC = KeySpec(name="demo", algorithm=Algorithm.RSA, size_bits=2048)
BINDING = TokenBinding(KeyId("8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"), SPEC, 1_778_376_225)
PRIVATE = Secret(b"a private key, as the token has it")


def require_shut(
    token: Secret, binding: TokenBinding = BINDING, wrapping_key: Secret = WRAPPING_KEY
) -> None:
    with pytest.raises(BadRequestError) as caught:
        open_token([wrapping_key], binding, token)
    assert caught.value.message == "importToken is not one of this key; ask for a new one"
    assert caught.value.__cause__ is None


def test_a_token_opens_for_what_it_was_made_for_and_for_nothing_else() -> None:
    token = seal_token(WRAPPING_KEY, BINDING, PRIVATE)
    assert open_token([WRAPPING_KEY], BINDING, token) == PRIVATE
    assert PRIVATE.reveal() not in token.reveal()
    require_shut(token, replace(BINDING, key_id=KeyId(str(uuid4()))))
    require_shut(token, replace(BINDING, expires=BINDING.expires + 1))
    require_shut(token, replace(BINDING, spec=replace(SPEC, size_bits=4096)))
    require_shut(token, wrapping_key=Secret(bytes(32)))


def test_no_damaged_token_opens() -> None:
    for bad in damaged(seal_token(WRAPPING_KEY, BINDING, PRIVATE).reveal()):
        require_shut(Secret(bad))


def test_a_token_opens_under_any_master_key_at_hand() -> None:
    token = seal_token(WRAPPING_KEY, BINDING, PRIVATE)
    assert open_token([Secret(bytes(32)), WRAPPING_KEY], BINDING, token) == PRIVATE


async def test_no_token_is_material_and_no_material_is_a_token(tmp_path: Path) -> None:
    root = InMemoryRootOfTrust(plugin_context(InMemorySettings(), tmp_path))
    await root.open()
    given = await root.create_wrapping_key(BINDING)
    for version in (0, 1, BINDING.expires):
        binding = Binding(BINDING.key_id, version, SPEC)
        with pytest.raises(InternalError):
            await root.open_key(Material("inmemory", given.token), binding)
        material = seal_material(WRAPPING_KEY, binding, KeyBytes(own=PRIVATE.reveal()))
        require_shut(material.wrapped)


async def test_a_token_serves_until_its_master_key_is_retired(tmp_path: Path) -> None:
    root = InMemoryRootOfTrust(plugin_context(InMemorySettings(), tmp_path))
    await root.open()
    given = await root.create_wrapping_key(BINDING)
    imported = WrappedImport(given.token, BINDING, b"not wrapped")
    binding = Binding(BINDING.key_id, 2, SPEC)
    await root.begin_rotation()
    with pytest.raises(BadRequestError, match="does not unwrap"):
        await root.import_material(binding, imported)
    await root.retire()
    with pytest.raises(BadRequestError, match="importToken is not one of this key"):
        await root.import_material(binding, imported)
