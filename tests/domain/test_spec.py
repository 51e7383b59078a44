"""Specs: what can be asked for, and nothing else."""

from __future__ import annotations

import pytest

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.spec import (
    CURVES,
    SIZES_BITS,
    Algorithm,
    Curve,
    KeySpec,
    ObjectType,
    SignatureAlgorithm,
)


@pytest.mark.parametrize(
    ("algorithm", "size", "curve"),
    [
        *((a, s, None) for a, sizes in SIZES_BITS.items() for s in sorted(sizes)),
        *((a, None, c) for a, curves in CURVES.items() for c in sorted(curves)),
    ],
)
def test_every_row_of_the_walkthroughs_table_is_a_spec(
    algorithm: Algorithm, size: int | None, curve: Curve | None
) -> None:
    spec = KeySpec(name="n", algorithm=algorithm, size_bits=size, curve=curve)
    symmetric = algorithm in (Algorithm.AES, Algorithm.HMAC)
    assert spec.object_type is (ObjectType.SYMMETRIC_KEY if symmetric else ObjectType.PRIVATE_KEY)
    assert bool(spec.signature_algorithms) is not symmetric


@pytest.mark.parametrize(
    ("algorithm", "size", "curve"),
    [
        (Algorithm.AES, 512, None),
        (Algorithm.AES, None, None),
        (Algorithm.AES, 256, Curve.P256),
        (Algorithm.RSA, 1024, None),
        (Algorithm.HMAC, 128, None),
        (Algorithm.EC, None, Curve.ED25519),
        (Algorithm.EC, 256, None),
        (Algorithm.EDDSA, None, Curve.P256),
        (Algorithm.EDDSA, 256, Curve.ED25519),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(
    algorithm: Algorithm, size: int | None, curve: Curve | None
) -> None:
    with pytest.raises(BadRequestError):
        KeySpec(name="n", algorithm=algorithm, size_bits=size, curve=curve)


@pytest.mark.parametrize("name", ["", "n" * 257])
def test_a_name_has_1_to_256_characters(name: str) -> None:
    with pytest.raises(BadRequestError, match="256"):
        KeySpec(name=name, algorithm=Algorithm.AES, size_bits=256)


def test_a_curve_signs_with_its_own_hash_only() -> None:
    p384 = KeySpec(name="n", algorithm=Algorithm.EC, curve=Curve.P384)
    assert p384.signature_algorithms == {SignatureAlgorithm.ECDSA_SHA384}
