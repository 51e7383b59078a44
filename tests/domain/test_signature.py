"""Which message and which form each signature algorithm takes: the whole product."""

from __future__ import annotations

import pytest

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.signature import DIGEST_BYTES, ECDSA, SignatureFormat, require_form
from aegis_kernel.domain.spec import SignatureAlgorithm

# From the standards' names, not from the table.
HASHING = {"Sha256": 32, "Sha384": 48, "Sha512": 64}


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_only_a_digest_of_the_algorithms_own_hash_is_one(algorithm: SignatureAlgorithm) -> None:
    expected = next((size for name, size in HASHING.items() if algorithm.endswith(name)), None)
    assert DIGEST_BYTES.get(algorithm) == expected
    for size in (0, 20, 28, 31, 32, 33, 48, 64, 65):
        if size == expected:
            require_form(algorithm, bytes(size), True, SignatureFormat.DER)
            continue
        with pytest.raises(BadRequestError):
            require_form(algorithm, bytes(size), True, SignatureFormat.DER)


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_only_ecdsa_has_two_forms(algorithm: SignatureAlgorithm) -> None:
    require_form(algorithm, b"any length", False, SignatureFormat.DER)
    if algorithm.startswith("Ecdsa"):
        assert algorithm in ECDSA
        require_form(algorithm, b"any length", False, SignatureFormat.P1363)
        return
    with pytest.raises(BadRequestError, match="P1363 is for ECDSA"):
        require_form(algorithm, b"any length", False, SignatureFormat.P1363)
