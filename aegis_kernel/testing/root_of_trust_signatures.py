"""The laws of how a message and its signature travel."""

from __future__ import annotations

import hashlib

import pytest

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.signature import DIGEST_BYTES, ECDSA, SignatureFormat
from aegis_kernel.domain.spec import Curve, KeySpec, SignatureAlgorithm
from aegis_kernel.spi.root_of_trust import RootOfTrust
from aegis_kernel.testing.keys import MESSAGE, Keys, damaged, every_spec

P1363 = SignatureFormat.P1363
P1363_BYTES = {Curve.P256: 64, Curve.SECP256K1: 64, Curve.P384: 96, Curve.P521: 132}


class SignatureFormLaws:
    """Part of RootOfTrustConformance."""

    @every_spec
    async def test_a_digest_is_signed_as_the_message_that_it_is_of(
        self, root_of_trust: RootOfTrust, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open(spec)
        able = DIGEST_BYTES.keys() & _able(root_of_trust, spec)
        for algorithm in set(SignatureAlgorithm) - able:
            with pytest.raises(BadRequestError):
                await opened.key.sign(algorithm, bytes(32), prehashed=True)
        for algorithm in able:
            digest = _digest(algorithm)
            signature = await opened.key.sign(algorithm, digest, prehashed=True)
            assert await opened.key.verify(algorithm, MESSAGE, signature)
            assert not await opened.key.verify(algorithm, digest, signature)
            signature = await opened.key.sign(algorithm, MESSAGE)
            assert await opened.key.verify(algorithm, digest, signature, prehashed=True)
            other = bytes([digest[0] ^ 1]) + digest[1:]
            assert not await opened.key.verify(algorithm, other, signature, prehashed=True)

    @every_spec
    async def test_what_is_no_digest_of_the_algorithm_is_a_bad_request(
        self, root_of_trust: RootOfTrust, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open(spec)
        for algorithm in SignatureAlgorithm:
            for size in {0, 31, 32, 33, 48, 64} - {DIGEST_BYTES.get(algorithm)}:
                with pytest.raises(BadRequestError):
                    await opened.key.sign(algorithm, bytes(size), prehashed=True)
                with pytest.raises(BadRequestError):
                    await opened.key.verify(algorithm, bytes(size), b"signature", prehashed=True)

    @every_spec
    async def test_an_ecdsa_signature_has_two_forms_and_neither_passes_for_the_other(
        self, root_of_trust: RootOfTrust, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open(spec)
        key = opened.key
        able = ECDSA.intersection(_able(root_of_trust, spec))
        for algorithm in ECDSA - able:
            with pytest.raises(BadRequestError):
                await key.sign(algorithm, MESSAGE, signature_format=P1363)
        for algorithm in able:
            flat = await key.sign(algorithm, MESSAGE, signature_format=P1363)
            der = await key.sign(algorithm, MESSAGE)
            own = algorithm in spec.signature_algorithms
            assert len(flat) == (P1363_BYTES[spec.curve] if own and spec.curve else 64)
            assert await key.verify(algorithm, MESSAGE, flat, signature_format=P1363)
            assert not await key.verify(algorithm, MESSAGE, flat)
            assert not await key.verify(algorithm, MESSAGE, der, signature_format=P1363)
            r, s = flat[: len(flat) // 2], flat[len(flat) // 2 :]
            padded = (r + b"\x00" + s, b"\x00" + r + b"\x00" + s, b"\x00" + flat)
            for bad in (*padded, *damaged(flat)):
                assert not await key.verify(algorithm, MESSAGE, bad, signature_format=P1363)

    @every_spec
    async def test_no_other_signature_has_a_second_form(
        self, root_of_trust: RootOfTrust, keys: Keys, spec: KeySpec
    ) -> None:
        opened = await keys.open(spec)
        for algorithm in set(SignatureAlgorithm) - ECDSA.intersection(_able(root_of_trust, spec)):
            with pytest.raises(BadRequestError):
                await opened.key.sign(algorithm, MESSAGE, signature_format=P1363)
            with pytest.raises(BadRequestError):
                await opened.key.verify(algorithm, MESSAGE, b"", signature_format=P1363)


def _able(root_of_trust: RootOfTrust, spec: KeySpec) -> list[SignatureAlgorithm]:
    return [a for a in SignatureAlgorithm if root_of_trust.supports(spec, Operation.SIGN, a)]


def _digest(algorithm: SignatureAlgorithm) -> bytes:
    return hashlib.new(f"sha{8 * DIGEST_BYTES[algorithm]}", MESSAGE).digest()
