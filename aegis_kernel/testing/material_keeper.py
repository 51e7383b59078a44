"""The laws of a root of trust whose master key rotates, beside those of every root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from aegis_kernel.domain.errors import BootError, InternalError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, KeySpec
from aegis_kernel.spi.root_of_trust import Binding, Material, RootOfTrust
from aegis_kernel.spi.sealing import MaterialKeeper

_SPEC = KeySpec(name="kept", algorithm=Algorithm.AES, size_bits=256)
_BINDING = Binding(KeyId("8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"), 1, _SPEC)
_OTHER = Binding(_BINDING.key_id, 2, _SPEC)

Reopened = Callable[[], Awaitable[RootOfTrust]]


class MaterialKeeperConformance:
    """Override the fixtures; run pytest-asyncio in auto mode."""

    @pytest.fixture
    async def root_of_trust(self) -> RootOfTrust:
        """An opened root with a master key that this test alone uses; it makes AES-256 keys."""
        raise NotImplementedError("override the fixture `root_of_trust`")

    @pytest.fixture
    def reopened(self) -> Reopened:
        """A function that opens another root over the same master keys, as after a restart."""
        raise NotImplementedError("override the fixture `reopened`")

    @pytest.fixture
    def without_master_key(self) -> RootOfTrust:
        """A root, not opened, that has no master key yet."""
        raise NotImplementedError("override the fixture `without_master_key`")

    async def test_the_newest_master_key_is_the_fingerprint(
        self, root_of_trust: RootOfTrust
    ) -> None:
        keeper = _keeper(root_of_trust)
        before = root_of_trust.fingerprint
        assert list(keeper.fingerprints) == [before]
        await keeper.begin_rotation()
        assert list(keeper.fingerprints) == [root_of_trust.fingerprint, before]
        assert root_of_trust.fingerprint != before

    async def test_what_another_process_rotates_is_held_after_looking_again(
        self, root_of_trust: RootOfTrust, reopened: Reopened
    ) -> None:
        keeper, other = _keeper(root_of_trust), _keeper(await reopened())
        for step in (other.begin_rotation, other.retire):
            await step()
            assert keeper.fingerprints != other.fingerprints
            await keeper.look_again()
            assert keeper.fingerprints == other.fingerprints

    async def test_master_keys_survive_a_restart_at_every_step(
        self, root_of_trust: RootOfTrust, reopened: Reopened
    ) -> None:
        keeper = _keeper(root_of_trust)
        await keeper.begin_rotation()
        assert _keeper(await reopened()).fingerprints == keeper.fingerprints
        await keeper.retire()
        assert len(keeper.fingerprints) == 1
        assert _keeper(await reopened()).fingerprints == keeper.fingerprints

    async def test_material_opens_throughout_a_rotation(
        self, root_of_trust: RootOfTrust, reopened: Reopened
    ) -> None:
        keeper = _keeper(root_of_trust)
        old = await root_of_trust.create(_SPEC, _BINDING)
        await keeper.begin_rotation()
        new = await root_of_trust.create(_SPEC, _OTHER)
        for root in (root_of_trust, await reopened()):
            await root.open_key(old, _BINDING)
            await root.open_key(new, _OTHER)
        newest, older = keeper.fingerprints
        assert (keeper.master_of(old, _BINDING), keeper.master_of(new, _OTHER)) == (older, newest)

    async def test_rewrapped_material_needs_the_newest_master_key_alone(
        self, root_of_trust: RootOfTrust
    ) -> None:
        keeper = _keeper(root_of_trust)
        old = await root_of_trust.create(_SPEC, _BINDING)
        assert await keeper.rewrap(old, _BINDING) is None
        await keeper.begin_rotation()
        new = await keeper.rewrap(old, _BINDING)
        assert new is not None
        assert new != old
        assert keeper.master_of(new, _BINDING) == root_of_trust.fingerprint
        assert await keeper.rewrap(new, _BINDING) is None
        await keeper.retire()
        await root_of_trust.open_key(new, _BINDING)
        assert keeper.master_of(old, _BINDING) is None
        with pytest.raises(InternalError):
            await root_of_trust.open_key(old, _BINDING)
        with pytest.raises(InternalError):
            await keeper.rewrap(old, _BINDING)

    async def test_swapped_or_altered_material_is_not_rewrapped(
        self, root_of_trust: RootOfTrust
    ) -> None:
        keeper = _keeper(root_of_trust)
        old = await root_of_trust.create(_SPEC, _BINDING)
        await keeper.begin_rotation()
        altered = Secret(old.wrapped.reveal()[:-1] + bytes([old.wrapped.reveal()[-1] ^ 1]))
        with pytest.raises(InternalError):
            await keeper.rewrap(Material(old.root_of_trust, altered), _BINDING)
        with pytest.raises(InternalError):
            await keeper.rewrap(old, _OTHER)
        assert keeper.master_of(old, _OTHER) is None

    async def test_it_vouches_for_exactly_what_it_was_given(
        self, root_of_trust: RootOfTrust
    ) -> None:
        keeper = _keeper(root_of_trust)
        mac = keeper.vouch(b"statement")
        await keeper.begin_rotation()
        assert keeper.vouched(b"statement", mac)
        assert not keeper.vouched(b"another", mac)
        assert not keeper.vouched(b"statement", mac[:-1])
        await keeper.retire()
        assert not keeper.vouched(b"statement", mac)

    async def test_no_master_key_is_made_where_one_must_exist(
        self, without_master_key: RootOfTrust
    ) -> None:
        for _ in range(2):
            with pytest.raises(BootError):
                await _keeper(without_master_key).open_existing()
        await without_master_key.aclose()


def _keeper(root: RootOfTrust) -> MaterialKeeper:
    assert isinstance(root, MaterialKeeper)
    return root
