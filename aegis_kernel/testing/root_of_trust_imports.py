"""The laws of import, for every key that can be asked for."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from msgspec.structs import replace

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, KeySpec
from aegis_kernel.spi.imports import (
    Imported,
    PlainImport,
    PublicImport,
    TokenBinding,
    WrappedImport,
    WrappingKey,
)
from aegis_kernel.spi.root_of_trust import Binding, RootOfTrust
from aegis_kernel.testing.keys import (
    MESSAGE,
    SPECS,
    Opened,
    damaged,
    every_spec,
    other_bindings,
    require_shut,
)

# Wraps material under a DER public key, as its owner does: see WrappedImport.
Wrap = Callable[[bytes, bytes], bytes]

EXPIRES = 1_778_376_225
KEY_BYTES = bytes(range(1, 65))
SYMMETRIC = (Algorithm.AES, Algorithm.HMAC)
# Larger RSA keys are imported as RSA-2048 is, and take seconds to make.
IMPORTED = [spec for spec in SPECS if spec.algorithm is not Algorithm.RSA or spec.size_bits == 2048]

every_imported = pytest.mark.parametrize("spec", IMPORTED, ids=lambda spec: spec.name)


class ImportLaws:
    """Part of RootOfTrustConformance, which has the other fixtures."""

    @pytest.fixture
    def wrap(self) -> Wrap:
        """Only for a root that imports: how an owner wraps."""
        raise NotImplementedError("override the fixture `wrap`: see aegis_kernel.WrappedImport")

    @every_spec
    async def test_a_root_that_does_not_import_says_so(
        self, root_of_trust: RootOfTrust, spec: KeySpec
    ) -> None:
        if root_of_trust.supports(spec, Operation.IMPORT):
            return
        for source in (PlainImport(Secret(KEY_BYTES[:32])), PublicImport(b"0")):
            await _refused(root_of_trust.import_material(_binding(spec), source))

    @every_imported
    async def test_an_imported_key_is_that_very_key(
        self, root_of_trust: RootOfTrust, spec: KeySpec
    ) -> None:
        if not root_of_trust.supports(spec, Operation.IMPORT):
            return
        material, public = await _material_of(root_of_trust, spec)
        opened = await _open(root_of_trust, spec, PlainImport(material))
        again = await _open(root_of_trust, spec, PlainImport(material))
        assert opened.key.public_key == again.key.public_key == public
        assert material.reveal() not in opened.material.wrapped.reveal()
        if spec.mac_algorithm is not None:
            expected = hmac.digest(material.reveal(), MESSAGE, f"sha{spec.size_bits}")
            assert await opened.key.mac(spec.mac_algorithm, MESSAGE) == expected
        for algorithm in spec.signature_algorithms:
            signature = await opened.key.sign(algorithm, MESSAGE)
            assert await again.key.verify(algorithm, MESSAGE, signature)
        if spec.encryption_algorithm is not None:
            assert await opened.decrypt(await opened.encrypt(MESSAGE[:16])) == MESSAGE[:16]

    @every_imported
    async def test_imported_material_opens_for_its_own_binding_alone(
        self, root_of_trust: RootOfTrust, spec: KeySpec
    ) -> None:
        if not root_of_trust.supports(spec, Operation.IMPORT):
            return
        material, _ = await _material_of(root_of_trust, spec)
        opened = await _open(root_of_trust, spec, PlainImport(material))
        for other in other_bindings(opened.binding):
            await require_shut(root_of_trust, opened.material, other)

    @every_imported
    async def test_what_is_no_key_of_the_spec_is_a_bad_request(
        self, root_of_trust: RootOfTrust, spec: KeySpec
    ) -> None:
        if not root_of_trust.supports(spec, Operation.IMPORT):
            return
        whole = (await _material_of(root_of_trust, spec))[0].reveal()
        for bad in (b"", whole[:-1], whole + b"\0", bytes(100), bytes(16_384)):
            source = PlainImport(Secret(bad))
            error = await _refused(root_of_trust.import_material(_binding(spec), source))
            assert error.__cause__ is None

    @every_imported
    async def test_a_public_key_that_was_imported_verifies_and_does_nothing_else(
        self, root_of_trust: RootOfTrust, spec: KeySpec
    ) -> None:
        if not root_of_trust.supports(spec, Operation.IMPORT):
            return
        if spec.algorithm in SYMMETRIC or not spec.signature_algorithms:
            await _refused(root_of_trust.import_material(_binding(spec), PublicImport(b"0")))
            return
        material, public = await _material_of(root_of_trust, spec)
        assert public is not None
        private = await _open(root_of_trust, spec, PlainImport(material))
        verifying = await _open(root_of_trust, spec, PublicImport(public))
        assert verifying.key.public_key == public
        for algorithm in spec.signature_algorithms:
            signature = await private.key.sign(algorithm, MESSAGE)
            assert await verifying.key.verify(algorithm, MESSAGE, signature)
            assert not await verifying.key.verify(algorithm, MESSAGE + b"o", signature)
            await _refused(verifying.key.sign(algorithm, MESSAGE))
        await _refused(verifying.key.decrypt(b"", bytes(600), b""))
        for bad in (b"", public[:-1], public + b"\0", material.reveal()):
            await _refused(root_of_trust.import_material(_binding(spec), PublicImport(bad)))

    async def test_what_was_wrapped_opens_under_its_own_token_alone(
        self,
        root_of_trust: RootOfTrust,
        foreign_root_of_trust: RootOfTrust | None,
        request: pytest.FixtureRequest,
    ) -> None:
        spec = next(spec for spec in SPECS if spec.name == "HMAC-256")
        if not root_of_trust.supports(spec, Operation.IMPORT):
            return
        wrap: Wrap = request.getfixturevalue("wrap")
        assert spec.mac_algorithm is not None
        binding = _binding(spec)
        token_binding = TokenBinding(binding.key_id, spec, EXPIRES)
        given = await root_of_trust.create_wrapping_key(token_binding)
        imported = WrappedImport(given.token, token_binding, wrap(given.public, KEY_BYTES[:32]))
        material = await root_of_trust.import_material(binding, imported)
        key = await root_of_trust.open_key(material, binding)
        assert await key.mac(spec.mac_algorithm, MESSAGE) == hmac.digest(
            KEY_BYTES[:32], MESSAGE, "sha256"
        )
        await _require_own_token(root_of_trust, binding, imported, given)
        await _require_one_text(root_of_trust, binding, imported)
        if foreign_root_of_trust is not None:
            await _refused(foreign_root_of_trust.import_material(binding, imported))


async def _require_own_token(
    root_of_trust: RootOfTrust, binding: Binding, imported: WrappedImport, given: WrappingKey
) -> None:
    own = imported.token_binding
    for other in (
        replace(own, key_id=KeyId(str(uuid4()))),
        replace(own, expires=own.expires + 1),
        replace(own, spec=next(spec for spec in SPECS if spec.name == "HMAC-512")),
    ):
        altered = replace(imported, token_binding=other)
        await _refused(root_of_trust.import_material(binding, altered))
    for bad in damaged(given.token.reveal()):
        altered = replace(imported, token=Secret(bad))
        await _refused(root_of_trust.import_material(binding, altered))


async def _require_one_text(
    root_of_trust: RootOfTrust, binding: Binding, imported: WrappedImport
) -> None:
    said = set()
    for bad in damaged(imported.wrapped):
        altered = replace(imported, wrapped=bad)
        said.add((await _refused(root_of_trust.import_material(binding, altered))).message)
    assert len(said) == 1


def _binding(spec: KeySpec) -> Binding:
    return Binding(KeyId(str(uuid4())), 2, spec)


async def _material_of(root_of_trust: RootOfTrust, spec: KeySpec) -> tuple[Secret, bytes | None]:
    """Return key bytes of `spec` as owners have them, and their public key."""
    if spec.algorithm in SYMMETRIC:
        assert spec.size_bits is not None
        return Secret(KEY_BYTES[: spec.size_bits // 8]), None
    pair = await root_of_trust.generate_pair(spec)
    return pair.private, pair.public


async def _open(root_of_trust: RootOfTrust, spec: KeySpec, source: Imported) -> Opened:
    binding = _binding(spec)
    material = await root_of_trust.import_material(binding, source)
    return Opened(binding, material, await root_of_trust.open_key(material, binding))


async def _refused(attempt: Awaitable[object]) -> BadRequestError:
    with pytest.raises(BadRequestError) as caught:
        await attempt
    return caught.value
