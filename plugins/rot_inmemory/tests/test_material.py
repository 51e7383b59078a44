"""Material at rest: opens for its own binding, whole, and says nothing."""

from __future__ import annotations

import msgspec
import pytest
from aegis_rot_inmemory.material import KeyBytes, open_material, seal_material
from aegis_rot_inmemory.suite import SUITE, seal

from aegis_kernel import (
    HEADER_BYTES,
    Algorithm,
    Binding,
    Header,
    InternalError,
    KeyId,
    KeySpec,
    Kind,
    Material,
    Secret,
    SignatureAlgorithm,
)

WRAPPING_KEY = Secret(bytes(range(1, 33)))
BINDING = Binding(
    KeyId("8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"),
    1,
    KeySpec(name="demo", algorithm=Algorithm.AES, size_bits=256),
)
KEY_BYTES = KeyBytes(
    own=b"the very secret bytes of one key",
    companions={SignatureAlgorithm.ECDSA_SHA256: b"a companion's private key"},
)


def require_shut(wrapped: bytes, root_of_trust: str = "inmemory") -> None:
    with pytest.raises(InternalError) as caught:
        open_material(WRAPPING_KEY, BINDING, Material(root_of_trust, Secret(wrapped)))
    assert caught.value.message == "Key material is not authentic for this key version"
    assert caught.value.__cause__ is None


def test_material_comes_back_as_it_was_sealed() -> None:
    material = seal_material(WRAPPING_KEY, BINDING, KEY_BYTES)
    assert open_material(WRAPPING_KEY, BINDING, material) == KEY_BYTES
    assert KEY_BYTES.own not in material.wrapped.reveal()


def test_a_key_may_be_renamed_without_sealing_it_again() -> None:
    material = seal_material(WRAPPING_KEY, BINDING, KEY_BYTES)
    spec = KeySpec(name="another name", algorithm=Algorithm.AES, size_bits=256)
    assert open_material(WRAPPING_KEY, Binding(BINDING.key_id, 1, spec), material) == KEY_BYTES


def test_every_flipped_bit_and_every_cut_keeps_it_shut() -> None:
    whole = seal_material(WRAPPING_KEY, BINDING, KEY_BYTES).wrapped.reveal()
    number = int.from_bytes(whole, "big")
    for bit in range(8 * len(whole)):
        require_shut((number ^ 1 << bit).to_bytes(len(whole), "big"))
    for length in range(len(whole)):
        require_shut(whole[:length])


def test_another_root_of_trust_or_kind_is_refused_with_the_same_words() -> None:
    whole = seal_material(WRAPPING_KEY, BINDING, KEY_BYTES).wrapped.reveal()
    require_shut(whole, "aws")
    for kind in (Kind.DATA, Kind.WRAPPED_KEY):
        header = Header(SUITE, kind, BINDING.key_id, 1).encode()
        require_shut(header + whole[HEADER_BYTES:])


def test_a_ciphertext_made_with_the_wrapping_key_is_still_no_material() -> None:
    header = Header(SUITE, Kind.MATERIAL, BINDING.key_id, 1).encode()
    require_shut(
        header + seal(WRAPPING_KEY.reveal(), header, msgspec.msgpack.encode(KEY_BYTES), b"")
    )


def test_no_repr_shows_key_bytes() -> None:
    material = seal_material(WRAPPING_KEY, BINDING, KEY_BYTES)
    assert repr(KEY_BYTES) == str(KEY_BYTES) == "KeyBytes(<redacted>)"
    assert "b'" not in f"{material!r}{[KEY_BYTES]!r}"
