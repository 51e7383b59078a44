"""The laws of MACs, key agreement, key pairs and RFC 5649, for every key that can be asked for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import AgreementAlgorithm, Algorithm, KeySpec, MacAlgorithm
from aegis_kernel.domain.usage import Usage
from aegis_kernel.spi.root_of_trust import Binding, RootOfTrust
from aegis_kernel.testing.keys import SPECS, Keys, damaged, refused, require_shut

MESSAGE = b"invoice #1234 total $42,000"
INFO = b"aegis-ecdh-v1\x00 and what else both sides know"

# RSA-3072 and RSA-4096 are made as RSA-2048 is, and take seconds.
PAIRS: Sequence[KeySpec] = [
    spec
    for spec in SPECS
    if spec.algorithm not in (Algorithm.AES, Algorithm.HMAC) and spec.size_bits in (None, 2048)
]
INTEROP: Sequence[KeySpec] = [
    replace(spec, name=f"{spec.name}-rfc5649", usages=frozenset({Usage.WRAP_RFC5649}))
    for spec in SPECS
    if spec.algorithm is Algorithm.AES
]
MACS: Sequence[KeySpec] = [spec for spec in SPECS if spec.mac_algorithm]
AGREEING: Sequence[KeySpec] = [spec for spec in SPECS if spec.agreement_algorithm]
WRAPS = next(spec for spec in SPECS if spec.name == "AES-256")

every_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
every_mac = pytest.mark.parametrize("spec", MACS, ids=lambda spec: spec.name)
every_agreeing = pytest.mark.parametrize("spec", AGREEING, ids=lambda spec: spec.name)
every_pair = pytest.mark.parametrize("spec", PAIRS, ids=lambda spec: spec.name)
every_interop = pytest.mark.parametrize("spec", INTEROP, ids=lambda spec: spec.name)


class SecretLaws:
    """Part of RootOfTrustConformance, which has the fixtures."""

    @every_mac
    async def test_a_mac_is_whole_and_verifies_for_its_key_and_message_alone(
        self, root_of_trust: RootOfTrust, keys: Keys, spec: KeySpec
    ) -> None:
        opened, other = await keys.open_for(spec, Operation.MAC), await keys.open(spec, "another")
        assert root_of_trust.supports(spec, Operation.VERIFY_MAC)
        algorithm = spec.mac_algorithm
        assert algorithm is not None
        assert spec.size_bits is not None
        mac = await opened.key.mac(algorithm, MESSAGE)
        assert len(mac) * 8 == spec.size_bits
        assert mac == await opened.key.mac(algorithm, MESSAGE)
        assert await opened.key.verify_mac(algorithm, MESSAGE, mac)
        for bad in (*damaged(mac), mac[:16], await other.key.mac(algorithm, MESSAGE)):
            assert not await opened.key.verify_mac(algorithm, MESSAGE, bad)
        assert not await opened.key.verify_mac(algorithm, MESSAGE + b"o", mac)
        assert not await other.key.verify_mac(algorithm, MESSAGE, mac)

    @every_spec
    async def test_other_macs_are_bad_requests(
        self, root_of_trust: RootOfTrust, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open(spec)
        able = root_of_trust.supports(spec, Operation.MAC)
        for algorithm in MacAlgorithm:
            if able and algorithm is spec.mac_algorithm:
                continue
            with pytest.raises(BadRequestError):
                await opened.key.mac(algorithm, MESSAGE)
            with pytest.raises(BadRequestError):
                await opened.key.verify_mac(algorithm, MESSAGE, bytes(32))

    @every_agreeing
    async def test_two_keys_of_a_curve_agree_on_a_secret_that_is_bound_to_its_info(
        self, keys: Keys, spec: KeySpec
    ) -> None:
        opened, other = (
            await keys.open_for(spec, Operation.DERIVE),
            await keys.open(spec, "another"),
        )
        algorithm, mine, theirs = (
            spec.agreement_algorithm,
            opened.key.public_key,
            other.key.public_key,
        )
        assert algorithm is not None
        assert mine is not None
        assert theirs is not None
        for length in (16, 32, 64):
            secret = await opened.key.derive(algorithm, theirs, INFO, length)
            assert len(secret) == length
            assert secret == await other.key.derive(algorithm, mine, INFO, length)
            assert secret != await opened.key.derive(algorithm, theirs, INFO + b".", length)
            assert secret != await opened.key.derive(algorithm, mine, INFO, length)

    @every_agreeing
    async def test_what_is_no_point_of_the_curve_is_a_bad_request(
        self, root_of_trust: RootOfTrust, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open_for(spec, Operation.DERIVE)
        algorithm, mine = spec.agreement_algorithm, opened.key.public_key
        assert algorithm is not None
        assert mine is not None
        bad = [mine[:-1] + bytes([mine[-1] ^ 1]), mine[:-1], mine + b"\0", b"", bytes(len(mine))]
        for each in PAIRS:
            if each != spec and root_of_trust.supports(each, Operation.CREATE):
                bad.append((await keys.open(each)).key.public_key or b"")
        for peer in bad:
            with pytest.raises(BadRequestError):
                await opened.key.derive(algorithm, peer, INFO, 32)

    @every_spec
    async def test_other_agreements_are_bad_requests(
        self, root_of_trust: RootOfTrust, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open(spec)
        able = root_of_trust.supports(spec, Operation.DERIVE)
        for algorithm in AgreementAlgorithm:
            if able and algorithm is spec.agreement_algorithm:
                continue
            with pytest.raises(BadRequestError):
                await opened.key.derive(algorithm, opened.key.public_key or b"", INFO, 32)

    @every_pair
    async def test_a_key_pair_is_new_each_time_or_refused(
        self, root_of_trust: RootOfTrust, spec: KeySpec
    ) -> None:
        if not root_of_trust.supports(WRAPS, Operation.GENERATE_DATA_KEY_PAIR):
            with pytest.raises(BadRequestError):
                await root_of_trust.generate_pair(spec)
            return
        first, second = (
            await root_of_trust.generate_pair(spec),
            await root_of_trust.generate_pair(spec),
        )
        assert first.private != second.private
        assert first.public != second.public
        for pair in (first, second):
            assert pair.private.reveal()[0] == pair.public[0] == 0x30  # DER SEQUENCEs
            assert 16 <= len(pair.private) <= 4096
            assert "redacted" in repr(pair)

    @every_interop
    async def test_a_key_made_for_rfc5649_does_that_and_nothing_else(
        self, root_of_trust: RootOfTrust, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open_for(spec, Operation.CREATE, Operation.WRAP, Operation.UNWRAP)
        for size in (1, 7, 8, 16, 20, 32, 4096):
            key_bytes = Secret((bytes(range(255)) * 17)[:size])
            wrapped = await opened.key.wrap_rfc5649(key_bytes)
            assert len(wrapped) == (size + 7) // 8 * 8 + 8
            assert await opened.key.unwrap_rfc5649(wrapped) == key_bytes
        for bad in damaged(await opened.key.wrap_rfc5649(Secret(MESSAGE))):
            await refused(opened.key.unwrap_rfc5649(bad))
        for size in (0, 4097):
            with pytest.raises(BadRequestError):
                await opened.key.wrap_rfc5649(Secret(bytes(size)))
        header = bytes(25)
        with pytest.raises(BadRequestError):
            await opened.key.wrap(header, Secret(bytes(32)), b"")
        with pytest.raises(BadRequestError):
            await opened.key.encrypt(header, Secret(bytes(32)), b"")

    @every_interop
    async def test_material_for_rfc5649_opens_for_nothing_else(
        self, root_of_trust: RootOfTrust, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open_for(spec, Operation.CREATE, Operation.WRAP, Operation.UNWRAP)
        ordinary = Binding(
            opened.binding.key_id, opened.binding.version, replace(spec, usages=None)
        )
        await require_shut(root_of_trust, opened.material, ordinary)

    @every_spec
    async def test_other_keys_know_nothing_of_rfc5649(self, keys: Keys, spec: KeySpec) -> None:
        opened = await keys.open(spec)
        with pytest.raises(BadRequestError):
            await opened.key.wrap_rfc5649(Secret(bytes(32)))
        with pytest.raises(BadRequestError):
            await opened.key.unwrap_rfc5649(bytes(40))
