"""The laws of every root of trust, for every key that can be asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from uuid import uuid4

import pytest

from aegis_kernel.domain.ciphertext import HEADER_BYTES, Kind
from aegis_kernel.domain.context import canonical_bytes
from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, KeySpec, SignatureAlgorithm
from aegis_kernel.spi.root_of_trust import Binding, Material, RootOfTrust
from aegis_kernel.testing.keys import (
    CONTEXT,
    EMPTY,
    MESSAGE,
    SPECS,
    Keys,
    Made,
    damaged,
    every_spec,
    other_bindings,
    refused,
    require_shut,
)
from aegis_kernel.testing.root_of_trust_imports import ImportLaws
from aegis_kernel.testing.root_of_trust_many import ManyLaws
from aegis_kernel.testing.root_of_trust_public import EncapsulationLaws, PublicKeyLaws
from aegis_kernel.testing.root_of_trust_secrets import SecretLaws
from aegis_kernel.testing.root_of_trust_signatures import SignatureFormLaws

AES = [spec for spec in SPECS if spec.algorithm is Algorithm.AES]

every_aes = pytest.mark.parametrize("spec", AES, ids=lambda spec: spec.name)


class RootOfTrustConformance(
    SecretLaws, SignatureFormLaws, PublicKeyLaws, EncapsulationLaws, ManyLaws, ImportLaws
):
    """Override `root_of_trust`; run with pytest-asyncio in auto mode.

    Keys are made once and opened by every root that the fixture gives, as after a restart: build
    each of them with the same secret or account.
    """

    @pytest.fixture
    def root_of_trust(self) -> RootOfTrust:
        """An opened root of trust; an async fixture that closes it afterwards will do."""
        raise NotImplementedError("override the fixture `root_of_trust`")

    @pytest.fixture
    def foreign_root_of_trust(self) -> RootOfTrust | None:
        """A second one, opened, with another secret or account. Tests may close it."""
        return None

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls) -> Made:
        return {}

    @pytest.fixture
    def keys(self, root_of_trust: RootOfTrust, made: Made) -> Keys:
        return Keys(root_of_trust, made)

    async def test_it_is_healthy_once_opened(self, root_of_trust: RootOfTrust) -> None:
        assert (await root_of_trust.check()).status == "ok"

    async def test_its_fingerprint_names_its_secret(
        self, root_of_trust: RootOfTrust, foreign_root_of_trust: RootOfTrust | None
    ) -> None:
        fingerprint = root_of_trust.fingerprint
        assert fingerprint is None or fingerprint.isprintable()
        if fingerprint is not None and foreign_root_of_trust is not None:
            assert foreign_root_of_trust.fingerprint != fingerprint

    @every_spec
    async def test_it_makes_the_keys_that_it_says_and_refuses_the_others(
        self, root_of_trust: RootOfTrust, keys: Keys, spec: KeySpec
    ) -> None:
        if root_of_trust.supports(spec, Operation.CREATE):
            opened = await keys.open(spec)
            assert len(opened.material.wrapped) > 0
            return
        with pytest.raises(BadRequestError):
            await root_of_trust.create(spec, Binding(KeyId(str(uuid4())), 1, spec))

    @every_spec
    async def test_every_algorithm_signs_as_supported_or_is_refused(
        self, root_of_trust: RootOfTrust, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open(spec)
        able = [a for a in SignatureAlgorithm if root_of_trust.supports(spec, Operation.SIGN, a)]
        assert root_of_trust.supports(spec, Operation.SIGN) == bool(able)
        for algorithm in SignatureAlgorithm:
            if algorithm in able:
                signature = await opened.key.sign(algorithm, MESSAGE)
                assert root_of_trust.supports(spec, Operation.VERIFY, algorithm)
                assert await opened.key.verify(algorithm, MESSAGE, signature)
                continue
            with pytest.raises(BadRequestError):
                await opened.key.sign(algorithm, MESSAGE)
            if not root_of_trust.supports(spec, Operation.VERIFY, algorithm):
                with pytest.raises(BadRequestError):
                    await opened.key.verify(algorithm, MESSAGE, b"signature")

    @every_spec
    async def test_no_other_message_signature_algorithm_or_key_verifies(
        self, root_of_trust: RootOfTrust, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open(spec)
        able = [a for a in SignatureAlgorithm if root_of_trust.supports(spec, Operation.SIGN, a)]
        for algorithm in able:
            signature = await opened.key.sign(algorithm, MESSAGE)
            assert not await opened.key.verify(algorithm, MESSAGE + b"o", signature)
            assert not await opened.key.verify(algorithm, b"", signature)
            for bad in damaged(signature):
                assert not await opened.key.verify(algorithm, MESSAGE, bad)
            for other in set(able) - {algorithm}:
                assert not await opened.key.verify(other, MESSAGE, signature)

    @every_aes
    async def test_what_is_encrypted_decrypts_and_never_looks_the_same_twice(
        self, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open_for(spec, Operation.ENCRYPT, Operation.DECRYPT)
        assert opened.key.suite is not None
        for size in (0, 1, 34, 4096):
            plaintext = bytes(range(256)) * 16
            bodies = [await opened.encrypt(plaintext[:size]) for _ in range(2)]
            assert bodies[0] != bodies[1]
            assert len(bodies[0]) >= opened.key.suite.prefix_bytes - HEADER_BYTES + size
            for body in bodies:
                assert await opened.decrypt(body) == plaintext[:size]

    @every_aes
    async def test_what_is_wrapped_unwraps_and_only_keys_can_be_wrapped(
        self, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open_for(spec, Operation.WRAP, Operation.UNWRAP)
        for size in (16, 17, 32, 4096):
            key_bytes = (bytes(range(255)) * 17)[:size]
            assert await opened.unwrap(await opened.wrap(key_bytes)) == key_bytes
        for size in (0, 15, 4097):
            with pytest.raises(BadRequestError):
                await opened.wrap(bytes(size))

    @every_spec
    async def test_what_is_not_supported_is_a_bad_request(
        self, root_of_trust: RootOfTrust, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open(spec)
        header, thing, context = bytes(HEADER_BYTES), Secret(bytes(16)), CONTEXT
        calls: Mapping[Operation, Callable[[], Awaitable[object]]] = {
            Operation.ENCRYPT: lambda: opened.key.encrypt(header, thing, context),
            Operation.DECRYPT: lambda: opened.key.decrypt(header, bytes(200), context),
            Operation.WRAP: lambda: opened.key.wrap(header, thing, context),
            Operation.UNWRAP: lambda: opened.key.unwrap(header, bytes(200), context),
            Operation.ENCAPSULATE: opened.key.encapsulate,
            Operation.DECAPSULATE: lambda: opened.key.decapsulate(bytes(1088)),
        }
        for operation, call in calls.items():
            if not root_of_trust.supports(spec, operation):
                with pytest.raises(BadRequestError):
                    await call()

    @every_aes
    async def test_a_context_is_bound_exactly_but_its_order_is_free(
        self, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open_for(spec, Operation.ENCRYPT, Operation.DECRYPT)
        body = await opened.encrypt(MESSAGE)
        reordered = canonical_bytes({"tenant": "acme", "dataset": "q2-financials"})
        assert await opened.decrypt(body, reordered) == MESSAGE
        without = await opened.encrypt(MESSAGE, EMPTY)
        assert await opened.decrypt(without, canonical_bytes({})) == MESSAGE
        for context in (EMPTY, canonical_bytes({"dataset": "q2-financials", "tenant": "Acme"})):
            await refused(opened.decrypt(body, context))
        await refused(opened.decrypt(without, CONTEXT))

    @every_aes
    async def test_a_wrapped_key_is_bound_to_its_context(self, keys: Keys, spec: KeySpec) -> None:
        opened = await keys.open_for(spec, Operation.WRAP, Operation.UNWRAP)
        body = await opened.wrap(bytes(32))
        await refused(opened.unwrap(body, EMPTY))

    @every_aes
    async def test_no_damaged_ciphertext_opens(self, keys: Keys, spec: KeySpec) -> None:
        opened = await keys.open_for(spec, Operation.ENCRYPT, Operation.WRAP)
        for bad in damaged(await opened.encrypt(MESSAGE)):
            await refused(opened.decrypt(bad))
        for bad in damaged(await opened.wrap(bytes(32))):
            await refused(opened.unwrap(bad))

    @every_aes
    async def test_no_ciphertext_opens_for_another_key_version_or_kind(
        self, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open_for(spec, Operation.ENCRYPT, Operation.WRAP)
        data, wrapped = await opened.encrypt(MESSAGE), await opened.wrap(bytes(32))
        others = await keys.open(spec, "another"), await keys.open(spec, version=2)
        for other in others:
            await refused(other.decrypt(data))
            await refused(other.key.decrypt(opened.header(Kind.DATA), data, CONTEXT))
            await refused(opened.key.decrypt(other.header(Kind.DATA), data, CONTEXT))
            await refused(other.unwrap(wrapped))
        await refused(opened.decrypt(wrapped))
        await refused(opened.unwrap(data))
        await refused(opened.key.decrypt(opened.header(Kind.WRAPPED_KEY), wrapped, CONTEXT))
        await refused(opened.key.unwrap(opened.header(Kind.DATA), data, CONTEXT))

    async def test_two_versions_of_a_key_are_two_keys(
        self, root_of_trust: RootOfTrust, keys: Keys
    ) -> None:
        for algorithm in SignatureAlgorithm:
            spec = next(spec for spec in SPECS if algorithm in spec.signature_algorithms)
            if not root_of_trust.supports(spec, Operation.SIGN, algorithm):
                continue
            old, new = await keys.open(spec), await keys.open(spec, version=2)
            signature = await old.key.sign(algorithm, MESSAGE)
            assert await old.key.verify(algorithm, MESSAGE, signature)
            assert not await new.key.verify(algorithm, MESSAGE, signature)
            assert old.key.public_key != new.key.public_key

    @every_spec
    async def test_swapped_altered_or_foreign_material_never_opens(
        self,
        root_of_trust: RootOfTrust,
        foreign_root_of_trust: RootOfTrust | None,
        keys: Keys,
        spec: KeySpec,
    ) -> None:
        binding, material = (opened := await keys.open(spec)).binding, opened.material
        wrapped = material.wrapped.reveal()
        for other in other_bindings(binding):
            await require_shut(root_of_trust, material, other)
        for bad in damaged(wrapped):
            await require_shut(
                root_of_trust, Material(material.root_of_trust, Secret(bad)), binding
            )
        await require_shut(root_of_trust, Material("another", material.wrapped), binding)
        if foreign_root_of_trust is not None:
            await require_shut(foreign_root_of_trust, material, binding)

    @every_spec
    async def test_64_operations_at_once_do_not_mix(
        self, root_of_trust: RootOfTrust, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open(spec)
        signs = [a for a in SignatureAlgorithm if root_of_trust.supports(spec, Operation.SIGN, a)]
        encrypts = root_of_trust.supports(spec, Operation.ENCRYPT)

        async def one(number: int) -> None:
            message = MESSAGE + bytes([number])
            if encrypts:
                assert await opened.decrypt(await opened.encrypt(message)) == message
            if signs:
                algorithm = signs[number % len(signs)]
                signature = await opened.key.sign(algorithm, message)
                assert await opened.key.verify(algorithm, message, signature)

        await asyncio.gather(*(one(number) for number in range(64)))

    @every_spec
    async def test_nothing_secret_is_in_a_repr(self, keys: Keys, spec: KeySpec) -> None:
        opened = await keys.open(spec)
        shown = f"{opened.material!r}{opened.material}{opened.key!r}{opened.key}"
        assert "b'" not in shown
        assert 'b"' not in shown
        if spec.binds_context and opened.key.suite is not None:
            error = await refused(opened.decrypt(await opened.encrypt(MESSAGE), EMPTY))
            said = f"{error!r}{error.reason}{error.__cause__!r}"
            assert MESSAGE.decode() not in said
            assert "acme" not in said

    async def test_destroying_twice_is_no_error(
        self, root_of_trust: RootOfTrust, keys: Keys
    ) -> None:
        spec = next(s for s in SPECS if root_of_trust.supports(s, Operation.CREATE))
        material = (await keys.open(spec, "to destroy")).material
        await root_of_trust.destroy(material)
        await root_of_trust.destroy(material)

    async def test_closing_twice_is_no_error(
        self, foreign_root_of_trust: RootOfTrust | None
    ) -> None:
        if foreign_root_of_trust is None:
            pytest.skip("override the fixture `foreign_root_of_trust`")
        await foreign_root_of_trust.aclose()
        await foreign_root_of_trust.aclose()
        assert (await foreign_root_of_trust.check()).status != "ok"
