"""Several master keys: the newest seals, the older still open what they sealed, until they retire."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings, master_file
from aegis_rot_inmemory.master import encode, new_master_key
from aegis_rot_inmemory.master_file import load, replace

from aegis_kernel import (
    Algorithm,
    Binding,
    BootError,
    InternalError,
    KeyId,
    KeySpec,
    Material,
    MaterialKeeper,
    RootOfTrust,
    Secret,
    SignatureAlgorithm,
    UnavailableError,
)
from aegis_kernel.testing import MaterialKeeperConformance
from aegis_kernel.testing.doubles import plugin_context

BINDING = Binding(
    KeyId("8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"),
    1,
    KeySpec(name="demo", algorithm=Algorithm.AES, size_bits=256),
)


def built(data_dir: Path, settings: InMemorySettings | None = None) -> InMemoryRootOfTrust:
    context = plugin_context(settings or InMemorySettings(), data_dir, dev_mode=True)
    return InMemoryRootOfTrust(context)


@pytest.fixture
async def root(tmp_path: Path) -> AsyncIterator[InMemoryRootOfTrust]:
    root = built(tmp_path)
    await root.open()
    yield root
    await root.aclose()


async def test_it_is_a_keeper_and_a_new_master_key_stands_first(
    root: InMemoryRootOfTrust, tmp_path: Path
) -> None:
    assert isinstance(root, MaterialKeeper)
    (old,) = root.fingerprints
    await root.begin_rotation()
    assert root.fingerprints[1:] == (old,)
    assert root.fingerprint == root.fingerprints[0] != old
    assert len((tmp_path / "master.key").read_bytes().splitlines()) == 2
    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600
    again = built(tmp_path)
    await again.open_existing()
    assert again.fingerprints == root.fingerprints


async def test_material_goes_over_with_all_it_holds_and_needs_the_old_key_no_more(
    root: InMemoryRootOfTrust, tmp_path: Path
) -> None:
    material = await root.create(BINDING.spec, BINDING)
    before = await root.open_key(material, BINDING)
    header = b"\x00" * 25
    assert await root.rewrap(material, BINDING) is None
    old = root.fingerprint
    await root.begin_rotation()
    assert root.master_of(material, BINDING) == old
    rewrapped = await root.rewrap(material, BINDING)
    assert rewrapped is not None
    assert root.master_of(rewrapped, BINDING) == root.fingerprint
    assert await root.rewrap(rewrapped, BINDING) is None
    await root.retire()
    assert len(root.fingerprints) == 1
    assert root.master_of(material, BINDING) is None
    with pytest.raises(InternalError):
        await root.open_key(material, BINDING)
    after = await root.open_key(rewrapped, BINDING)
    # A dev mode companion of the key went along.
    signature = await before.sign(SignatureAlgorithm.ECDSA_SHA256, header)
    assert await after.verify(SignatureAlgorithm.ECDSA_SHA256, header, signature)
    assert list(tmp_path.iterdir()) == [tmp_path / "master.key"]


@pytest.mark.parametrize("place", [0, 24, 26, 60, 95, 110, 118, 130, -1])
async def test_altered_material_is_never_rewrapped(root: InMemoryRootOfTrust, place: int) -> None:
    whole = bytearray((await root.create(BINDING.spec, BINDING)).wrapped.reveal())
    whole[place] ^= 1
    await root.begin_rotation()
    with pytest.raises(InternalError):
        await root.rewrap(Material("inmemory", Secret(bytes(whole))), BINDING)


async def test_material_of_another_binding_is_never_rewrapped(root: InMemoryRootOfTrust) -> None:
    material = await root.create(BINDING.spec, BINDING)
    await root.begin_rotation()
    other = Binding(BINDING.key_id, 2, BINDING.spec)
    assert root.master_of(material, other) is None
    with pytest.raises(InternalError):
        await root.rewrap(material, other)


async def test_it_vouches_under_any_master_key_at_hand(root: InMemoryRootOfTrust) -> None:
    mac = root.vouch(b"manifest")
    await root.begin_rotation()
    assert root.vouched(b"manifest", mac)
    assert not root.vouched(b"manifesto", mac)
    assert not root.vouched(b"manifest", bytes(32))
    assert not root.vouched(b"manifest", b"")
    await root.retire()
    assert not root.vouched(b"manifest", mac)


async def test_a_master_key_in_the_environment_is_not_rotated(tmp_path: Path) -> None:
    root = built(tmp_path, InMemorySettings(master_key=Secret(encode(new_master_key()))))
    await root.open()
    with pytest.raises(UnavailableError, match="MASTER_KEY_FILE"):
        await root.begin_rotation()


async def test_nothing_is_made_where_a_master_key_must_exist(tmp_path: Path) -> None:
    with pytest.raises(BootError, match="does not exist"):
        await built(tmp_path).open_existing()
    assert list(tmp_path.iterdir()) == []


def test_a_crash_in_the_middle_leaves_the_one_file_or_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "master.key"
    (old,) = master_file.load_or_make(path)
    new = new_master_key()

    class Crash(BaseException):
        pass

    calls = ["open", "chmod", "rename", "fsync"]
    for name in calls:
        real = getattr(os, name)
        for nth in range(1, 8):
            left = nth

            def dying(*arguments: object, real: object = real, **named: object) -> object:
                nonlocal left
                left -= 1
                if left == 0:
                    raise Crash
                return real(*arguments, **named)  # type: ignore[operator]

            with monkeypatch.context() as patch:
                patch.setattr(master_file.os, name, dying)
                with suppress(Crash):
                    replace(path, (old,), (new, old))
            assert load(path) in ((old,), (new, old))
            if load(path) != (old,):
                replace(path, (new, old), (old,))
    assert load(path) == (old,)
    # A crash has no chance to tidy up, but the next replacement does.
    (tmp_path / "master.key.0123456789abcdef").write_bytes(encode(old))
    (tmp_path / "master.key.backup").write_bytes(b"somebody's own")
    replace(path, (old,), (new,))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["master.key", "master.key.backup"]


def test_a_file_that_was_changed_by_hand_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    master_file.load_or_make(path)
    text = path.read_bytes()
    with pytest.raises(BootError, match="changed by hand"):
        replace(path, (new_master_key(),), (new_master_key(),))
    assert path.read_bytes() == text


def test_a_copy_under_another_name_is_not_overwritten(tmp_path: Path) -> None:
    path, copy = tmp_path / "master.key", tmp_path / "copy"
    (old,) = master_file.load_or_make(path)
    os.link(path, copy)
    replace(path, (old,), (new_master_key(),))
    assert load(copy) == (old,)


@pytest.mark.parametrize("number", [9, 2])
def test_too_many_keys_or_one_twice_are_refused(tmp_path: Path, number: int) -> None:
    path = tmp_path / "master.key"
    same = encode(new_master_key())
    keys = [same if number == 2 else encode(new_master_key()) for _ in range(number)]
    path.write_bytes(b"".join(keys))
    path.chmod(0o600)
    with pytest.raises(BootError):
        load(path)


class TestMasterKeysOfTheInMemoryRoot(MaterialKeeperConformance):
    @pytest.fixture
    async def root_of_trust(self, root: InMemoryRootOfTrust) -> RootOfTrust:
        return root

    @pytest.fixture
    def reopened(self, tmp_path: Path) -> Callable[[], Awaitable[RootOfTrust]]:
        async def reopen() -> RootOfTrust:
            again = built(tmp_path)
            await again.open_existing()
            return again

        return reopen

    @pytest.fixture
    def without_master_key(self, tmp_path: Path) -> RootOfTrust:
        return built(tmp_path / "none")
