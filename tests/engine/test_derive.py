"""Key agreement: the other side computes the same secret, and no other side does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from aegis_kernel.domain.errors import BadRequestError, IllegalOperationError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.spec import AgreementAlgorithm, Algorithm, Curve
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations import messages_secrets as ms
from tests.support.kernel import ALICE, active_key, last_record, settings

CURVES = {
    Curve.P256: (ec.SECP256R1(), SHA256(), AgreementAlgorithm.ECDH_HKDF_SHA256),
    Curve.SECP256K1: (ec.SECP256K1(), SHA256(), AgreementAlgorithm.ECDH_HKDF_SHA256),
    Curve.P384: (ec.SECP384R1(), SHA384(), AgreementAlgorithm.ECDH_HKDF_SHA384),
    Curve.P521: (ec.SECP521R1(), SHA512(), AgreementAlgorithm.ECDH_HKDF_SHA512),
}
OF_P256 = CURVES[Curve.P256][2]


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[Kernel]:
    async with Kernel(settings(tmp_path)) as running:
        yield running


async def own_public(kernel: Kernel, key_id: KeyId) -> bytes:
    key = (await kernel.pipeline.run(op.GET, ALICE, m.GetKey(), key_id)).key
    opened = await kernel.pipeline._bench.open(key, key.current_version)
    assert opened.key.public_key is not None
    return opened.key.public_key


def der(public: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> bytes:
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def other_side(
    private: ec.EllipticCurvePrivateKey,
    key_id: str,
    theirs: bytes,
    curve: Curve,
    size_bits: int,
    info: bytes = b"",
) -> bytes:
    """The computation of docs/operations.md, by the library alone."""
    _, hashing, algorithm = CURVES[curve]
    fixed = b"aegis-ecdh-v1\x00"
    for part in (algorithm.encode(), key_id.encode(), theirs, der(private.public_key()), info):
        fixed += len(part).to_bytes(4, "big") + part
    fixed += size_bits.to_bytes(4, "big")
    public = load_der_public_key(theirs)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    shared = private.exchange(ec.ECDH(), public)
    return HKDF(hashing, size_bits // 8, None, fixed).derive(shared)


async def derive(
    kernel: Kernel,
    key_id: KeyId,
    peer: bytes,
    algorithm: AgreementAlgorithm = OF_P256,
    size_bits: int = 256,
    info: bytes = b"",
) -> bytes:
    request = ms.Derive(algorithm, peer, size_bits, info)
    return (await kernel.pipeline.run(op.DERIVE, ALICE, request, key_id)).secret.reveal()


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("size_bits", [128, 136, 256, 512])
async def test_the_other_side_computes_the_same(
    kernel: Kernel, curve: Curve, size_bits: int
) -> None:
    library_curve, _, algorithm = CURVES[curve]
    key_id = await active_key(kernel, algorithm=Algorithm.EC, curve=curve)
    private = ec.generate_private_key(library_curve)
    peer, theirs = der(private.public_key()), await own_public(kernel, key_id)
    for info in (b"", b"invoices"):
        secret = await derive(kernel, key_id, peer, algorithm, size_bits, info)
        assert len(secret) * 8 == size_bits
        assert secret == other_side(private, key_id, theirs, curve, size_bits, info)


async def test_everything_that_was_asked_is_bound(kernel: Kernel) -> None:
    key_id = await active_key(kernel, algorithm=Algorithm.EC, curve=Curve.P256)
    peers = [der(ec.generate_private_key(ec.SECP256R1()).public_key()) for _ in range(2)]
    secrets = [
        await derive(kernel, key_id, peers[0]),
        await derive(kernel, key_id, peers[1]),
        await derive(kernel, key_id, peers[0], info=b"a"),
        await derive(kernel, key_id, peers[0], size_bits=264),
    ]
    await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id)
    secrets.append(await derive(kernel, key_id, peers[0]))
    assert len({secret[:32] for secret in secrets}) == len(secrets)
    record = await last_record(kernel)
    assert (record["op"], record["keyVersion"], record["alg"]) == ("Derive", 2, "EcdhHkdfSha256")


async def test_only_a_point_of_the_same_curve_in_one_form_is_taken(kernel: Kernel) -> None:
    key_id = await active_key(kernel, algorithm=Algorithm.EC, curve=Curve.P256)
    good = der(ec.generate_private_key(ec.SECP256R1()).public_key())
    assert len(await derive(kernel, key_id, good)) == 32
    compressed = load_der_public_key(good)
    assert isinstance(compressed, ec.EllipticCurvePublicKey)
    point = compressed.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    bad = {
        "another curve": der(ec.generate_private_key(ec.SECP384R1()).public_key()),
        "a curve of the same size": der(ec.generate_private_key(ec.SECP256K1()).public_key()),
        "another kind of key": der(ed25519.Ed25519PrivateKey.generate().public_key()),
        "no point of the curve": good[:-1] + bytes([good[-1] ^ 1]),
        "the point (0, 0)": good[:-64] + bytes(64),
        "a compressed point": b"\x30\x39" + good[2:23] + b"\x03\x22\x00" + point,
        "the hybrid form": good[:26] + bytes([6 | good[-1] & 1]) + good[27:],
        "cut short": good[:-1],
        "made longer": good + b"\0",
        "nothing": b"",
    }
    for what, peer in bad.items():
        with pytest.raises(BadRequestError):
            assert what == await derive(kernel, key_id, peer)


@pytest.mark.parametrize("size_bits", [0, 120, 127, 129, 513, 520, -256])
async def test_other_sizes_are_bad_requests(kernel: Kernel, size_bits: int) -> None:
    key_id = await active_key(kernel, algorithm=Algorithm.EC, curve=Curve.P256)
    peer = der(ec.generate_private_key(ec.SECP256R1()).public_key())
    with pytest.raises(BadRequestError, match="sizeBits"):
        await derive(kernel, key_id, peer, size_bits=size_bits)


@pytest.mark.parametrize("curve", CURVES)
async def test_a_curve_derives_with_the_hash_of_its_strength(kernel: Kernel, curve: Curve) -> None:
    key_id = await active_key(kernel, algorithm=Algorithm.EC, curve=curve)
    peer = await own_public(kernel, key_id)
    for algorithm in set(AgreementAlgorithm) - {CURVES[curve][2]}:
        with pytest.raises(BadRequestError, match=f"derives with {CURVES[curve][2]}"):
            await derive(kernel, key_id, peer, algorithm)


@pytest.mark.parametrize(
    "spec",
    [
        {"algorithm": Algorithm.AES, "size_bits": 256},
        {"algorithm": Algorithm.EDDSA, "curve": Curve.ED25519},
    ],
)
async def test_other_keys_do_not_derive(kernel: Kernel, spec: dict[str, object]) -> None:
    with pytest.raises(BadRequestError, match="does not derive"):
        await derive(kernel, await active_key(kernel, **spec), b"")


async def test_a_deactivated_key_does_not_derive(kernel: Kernel) -> None:
    key_id = await active_key(kernel, algorithm=Algorithm.EC, curve=Curve.P256)
    await kernel.pipeline.run(op.DEACTIVATE, ALICE, m.Transition(), key_id)
    with pytest.raises(IllegalOperationError, match=r"^Cannot derive with key in state"):
        await derive(kernel, key_id, b"")
