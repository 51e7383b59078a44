"""The laws of keys that encrypt, or agree on a secret, with their public half."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from aegis_kernel.domain.ciphertext import NOT_AUTHENTIC, Kind
from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.spec import Algorithm, KeySpec, ParameterSet
from aegis_kernel.testing.keys import (
    CONTEXT,
    EMPTY,
    MESSAGE,
    SPECS,
    Keys,
    damaged,
    every_spec,
    refused,
)

SECRET_BYTES = 32
HYBRID_BYTES: Mapping[ParameterSet | None, int] = {
    ParameterSet.ML_KEM_768_X25519: 1184 + 32,
    ParameterSet.ML_KEM_1024_P384: 1568 + 97,
}

ENCRYPTING = [spec for spec in SPECS if spec.encryption_algorithm and not spec.binds_context]
ENCAPSULATING = [spec for spec in SPECS if spec.encapsulation_algorithm]

every_encrypting = pytest.mark.parametrize("spec", ENCRYPTING, ids=lambda spec: spec.name)
every_encapsulating = pytest.mark.parametrize("spec", ENCAPSULATING, ids=lambda spec: spec.name)


class PublicKeyLaws:
    """Part of RootOfTrustConformance."""

    @every_spec
    async def test_only_a_private_key_has_a_public_one_and_it_stays_the_same(
        self, keys: Keys, spec: KeySpec
    ) -> None:
        first, again = await keys.open(spec), await keys.open(spec)
        assert first.key.public_key == again.key.public_key
        if spec.algorithm in (Algorithm.AES, Algorithm.HMAC):
            assert first.key.public_key is None
        elif spec.parameter_set in HYBRID_BYTES:
            assert len(first.key.public_key or b"") == HYBRID_BYTES[spec.parameter_set]
        else:
            assert (first.key.public_key or b"")[:1] == b"\x30"  # a DER SEQUENCE

    @every_encrypting
    async def test_what_a_public_key_encrypts_its_private_key_decrypts(
        self, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open_for(spec, Operation.ENCRYPT, Operation.DECRYPT)
        most = spec.plaintext_most_bytes
        for size in (0, 1, 34, most or 65536):
            plaintext = (bytes(range(256)) * 256)[:size]
            bodies = [await opened.encrypt(plaintext) for _ in range(2)]
            assert bodies[0] != bodies[1]
            assert [await opened.decrypt(body) for body in bodies] == [plaintext] * 2
        if most is not None:
            with pytest.raises(BadRequestError, match=str(most)):
                await opened.encrypt(bytes(most + 1))

    @every_encrypting
    async def test_a_public_key_binds_no_context_and_does_not_pretend_to(
        self, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open_for(spec, Operation.ENCRYPT, Operation.DECRYPT)
        with pytest.raises(BadRequestError):
            await opened.encrypt(MESSAGE, CONTEXT)
        with pytest.raises(BadRequestError):
            await opened.decrypt(await opened.encrypt(MESSAGE), CONTEXT)

    @every_encrypting
    async def test_whatever_is_wrong_with_a_public_key_ciphertext_the_error_is_the_same(
        self, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open_for(spec, Operation.ENCRYPT, Operation.DECRYPT)
        body = await opened.encrypt(MESSAGE)
        errors = [await refused(opened.decrypt(bad)) for bad in damaged(body)]
        errors += [await refused(opened.key.decrypt_raw(bad)) for bad in (body, *damaged(body))]
        assert {(error.message, error.__cause__) for error in errors} == {(NOT_AUTHENTIC, None)}
        assert len({error.reason for error in errors}) == 1

    @every_encrypting
    async def test_a_public_key_ciphertext_opens_for_its_own_header_and_key_alone(
        self, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open_for(spec, Operation.ENCRYPT, Operation.DECRYPT)
        body, header = await opened.encrypt(MESSAGE), opened.header(Kind.DATA)
        for other in (await keys.open(spec, "another"), await keys.open(spec, version=2)):
            await refused(other.decrypt(body))
            await refused(other.key.decrypt(header, body, EMPTY))
            await refused(opened.key.decrypt(other.header(Kind.DATA), body, EMPTY))
        await refused(opened.key.decrypt(opened.header(Kind.WRAPPED_KEY), body, EMPTY))


class EncapsulationLaws:
    """Part of RootOfTrustConformance."""

    @every_encapsulating
    async def test_what_is_encapsulated_decapsulates_and_is_never_the_same_twice(
        self, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open_for(spec, Operation.ENCAPSULATE, Operation.DECAPSULATE)
        assert opened.key.suite is not None
        made = [await opened.key.encapsulate() for _ in range(4)]
        assert len({each.ciphertext for each in made}) == 4
        assert len({each.shared_secret.reveal() for each in made}) == 4
        for each in made:
            assert len(each.shared_secret) == SECRET_BYTES
            assert await opened.key.decapsulate(each.ciphertext) == each.shared_secret
            assert repr(each.shared_secret.reveal()) not in repr(each)

    @every_encapsulating
    async def test_rejection_is_implicit_another_secret_and_no_error(
        self, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open_for(spec, Operation.ENCAPSULATE, Operation.DECAPSULATE)
        made = await opened.key.encapsulate()
        for bad in damaged(made.ciphertext):
            if len(bad) != len(made.ciphertext):
                assert (await refused(opened.key.decapsulate(bad))).message == NOT_AUTHENTIC
                continue
            other = await opened.key.decapsulate(bad)
            assert other != made.shared_secret
            assert other == await opened.key.decapsulate(bad)
        for stranger in (await keys.open(spec, "another"), await keys.open(spec, version=2)):
            assert await stranger.key.decapsulate(made.ciphertext) != made.shared_secret
