"""The master key: how it is spelled, and what follows from it."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import pytest
from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings
from aegis_rot_inmemory.master import decode, encode, new_master_key, wrapping_of

from aegis_kernel import (
    Algorithm,
    Binding,
    InternalError,
    KeyId,
    KeySpec,
    RootOfTrust,
    Secret,
    SettingsError,
    read_section,
)
from aegis_kernel.testing.doubles import plugin_context

RANDOM = bytes(range(200, 232))
TEXT = b64encode(RANDOM)
BAD = {
    "empty": b"",
    "short": b64encode(RANDOM[:31]),
    "long": b64encode(RANDOM + b"x"),
    "all zero": b64encode(bytes(32)),
    "one word repeated": b64encode(b"secret!" * 4 + b"secr"),
    "not base64": b"correct horse battery staple....",
    "hex": RANDOM.hex().encode(),
    "url-safe": urlsafe_b64encode(b"\xff" * 8 + RANDOM[:24]),
    "no padding": TEXT.rstrip(b"="),
    "two newlines": TEXT + b"\n\n",
    "a space": b" " + TEXT,
    "another spelling of the same bytes": TEXT[:-2] + bytes([TEXT[-2] + 1]) + b"=",
}

VARIABLE = "AEGIS_ROT_INMEMORY_MASTER_KEY"


async def opened(master: bytes, data_dir: Path) -> RootOfTrust:
    settings = read_section(InMemorySettings, {VARIABLE: master.decode()})
    root = InMemoryRootOfTrust(plugin_context(settings, data_dir))
    await root.open()
    return root


def test_a_master_key_is_spelled_with_or_without_its_newline() -> None:
    assert decode(Secret(TEXT)) == decode(Secret(TEXT + b"\n")) == Secret(RANDOM)
    assert encode(Secret(RANDOM)) == TEXT + b"\n"


def test_new_master_keys_differ_and_can_be_read_back() -> None:
    masters = [new_master_key() for _ in range(50)]
    assert len({master.reveal() for master in masters}) == 50
    assert all(decode(Secret(encode(master))) == master for master in masters)


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_everything_else_is_refused_without_being_shown(text: bytes) -> None:
    with pytest.raises(ValueError, match="openssl rand") as caught:
        decode(Secret(text))
    assert not text or text.decode().strip() not in str(caught.value)


def test_a_bad_master_key_in_the_environment_stops_the_boot_by_its_name() -> None:
    with pytest.raises(SettingsError) as caught:
        read_section(InMemorySettings, {VARIABLE: "c2hvcnQ="})
    assert str(caught.value).startswith(f"{VARIABLE} must be 32 bytes in base64")
    assert "c2hvcnQ" not in str(caught.value)


def test_a_master_key_in_two_places_stops_the_boot() -> None:
    both = {VARIABLE: TEXT.decode(), f"{VARIABLE}_FILE": "/etc/aegis/master.key"}
    with pytest.raises(SettingsError, match="both set"):
        read_section(InMemorySettings, both)


def test_no_repr_shows_the_master_key_or_what_follows_from_it() -> None:
    settings = read_section(InMemorySettings, {VARIABLE: TEXT.decode()})
    wrapping = wrapping_of(Secret(RANDOM))
    shown = f"{settings!r}{wrapping!r}"
    assert TEXT.decode() not in shown
    assert "b'" not in shown
    assert wrapping.key.reveal() not in (RANDOM, bytes.fromhex(wrapping.fingerprint))


async def test_the_environment_alone_is_enough_and_nothing_is_written(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    root = await opened(TEXT, data_dir)
    assert root.fingerprint == wrapping_of(Secret(RANDOM)).fingerprint
    assert not data_dir.exists()


async def test_another_master_key_has_another_fingerprint_and_opens_nothing(tmp_path: Path) -> None:
    right, again = await opened(TEXT, tmp_path), await opened(TEXT, tmp_path)
    wrong = await opened(b64encode(RANDOM[:31] + b"\x00"), tmp_path)
    assert right.fingerprint == again.fingerprint != wrong.fingerprint
    spec = KeySpec(name="demo", algorithm=Algorithm.AES, size_bits=256)
    binding = Binding(KeyId("8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"), 1, spec)
    material = await right.create(spec, binding)
    await again.open_key(material, binding)
    with pytest.raises(InternalError):
        await wrong.open_key(material, binding)
