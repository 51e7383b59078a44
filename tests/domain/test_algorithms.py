"""What each key pair does, and by which algorithm: written from the standards, not from the tables."""

from __future__ import annotations

import pytest

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.spec import Algorithm, Curve, KeySpec, ParameterSet

P, C = ParameterSet, Curve
ENCRYPTS = {
    "RSA": "RsaOaepSha256",
    C.P256: "HpkeP256Sha256Aes256Gcm",
    C.P384: "HpkeP384Sha384Aes256Gcm",
    C.P521: "HpkeP521Sha512Aes256Gcm",
    P.ML_KEM_768_X25519: "HpkeMlKem768X25519Sha256Aes256Gcm",
    P.ML_KEM_1024_P384: "HpkeMlKem1024P384Sha384Aes256Gcm",
}
ENCAPSULATES = {P.ML_KEM_768: "MlKem768", P.ML_KEM_1024: "MlKem1024"}
SIGNS = {P.ML_DSA_44: {"MlDsa44"}, P.ML_DSA_65: {"MlDsa65"}, P.ML_DSA_87: {"MlDsa87"}}


def of_parameter_set(chosen: ParameterSet) -> KeySpec:
    algorithm = Algorithm.ML_DSA if chosen.startswith("ML-DSA") else Algorithm.ML_KEM
    return KeySpec(name="n", algorithm=algorithm, parameter_set=chosen)


@pytest.mark.parametrize("chosen", ParameterSet)
def test_a_parameter_set_does_one_thing(chosen: ParameterSet) -> None:
    spec = of_parameter_set(chosen)
    assert spec.object_type == "PrivateKey"
    assert spec.signature_algorithms == SIGNS.get(chosen, set())
    assert spec.encryption_algorithm == ENCRYPTS.get(chosen)
    assert spec.encapsulation_algorithm == ENCAPSULATES.get(chosen)
    assert spec.is_hybrid == (chosen in (P.ML_KEM_768_X25519, P.ML_KEM_1024_P384))
    assert (spec.wrapping_algorithm, spec.mac_algorithm, spec.agreement_algorithm) == (None,) * 3


@pytest.mark.parametrize("curve", Curve)
def test_a_nist_curve_encrypts_and_no_other_does(curve: Curve) -> None:
    algorithm = Algorithm.EDDSA if curve.startswith("Ed") else Algorithm.EC
    spec = KeySpec(name="n", algorithm=algorithm, curve=curve)
    assert spec.encryption_algorithm == ENCRYPTS.get(curve)
    assert not spec.binds_context
    assert not spec.is_hybrid


@pytest.mark.parametrize(("size", "most"), [(2048, 190), (3072, 318), (4096, 446)])
def test_rsa_encrypts_k_minus_66_bytes(size: int, most: int) -> None:
    spec = KeySpec(name="n", algorithm=Algorithm.RSA, size_bits=size)
    assert spec.encryption_algorithm == ENCRYPTS["RSA"]
    assert spec.plaintext_most_bytes == most


@pytest.mark.parametrize(
    "parts",
    [
        {"algorithm": Algorithm.ML_DSA},
        {"algorithm": Algorithm.ML_KEM},
        {"algorithm": Algorithm.ML_DSA, "parameter_set": P.ML_KEM_768},
        {"algorithm": Algorithm.ML_KEM, "parameter_set": P.ML_DSA_44},
        {"algorithm": Algorithm.ML_DSA, "parameter_set": P.ML_DSA_44, "size_bits": 256},
        {"algorithm": Algorithm.ML_KEM, "parameter_set": P.ML_KEM_768, "curve": C.P256},
        {"algorithm": Algorithm.RSA, "size_bits": 2048, "parameter_set": P.ML_DSA_44},
        {"algorithm": Algorithm.EC, "curve": C.P256, "parameter_set": P.ML_KEM_768},
    ],
)
def test_a_parameter_set_stands_alone_with_its_algorithm(parts: dict[str, object]) -> None:
    with pytest.raises(BadRequestError):
        KeySpec(name="n", **parts)  # type: ignore[arg-type]
