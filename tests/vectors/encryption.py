"""RSA-OAEP, HPKE and ML-KEM through the objects that keys encrypt and encapsulate with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

from aegis_rot_inmemory.encapsulation import Encapsulation
from aegis_rot_inmemory.encryption import encryption_of
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from aegis_kernel import EncapsulationAlgorithm, EncryptionAlgorithm
from tests.vectors.case import Case, left_out
from tests.vectors.files import HOME, blocks, labelled
from tests.vectors.keys import rsa_private
from tests.vectors.other_signatures import blocks_without_gaps

_OAEP = EncryptionAlgorithm.RSA_OAEP_SHA256
_KEMS: Mapping[str, tuple[Any, EncapsulationAlgorithm]] = {
    "768": (mlkem.MLKEM768PrivateKey, EncapsulationAlgorithm.ML_KEM_768),
    "1024": (mlkem.MLKEM1024PrivateKey, EncapsulationAlgorithm.ML_KEM_1024),
}
# (mode, KEM, KDF, AEAD) of RFC 9180 §7 and of the KEMs' draft, as we combine them.
_HPKE: Mapping[tuple[int, ...], EncryptionAlgorithm] = {
    (0, 0x10, 1, 2): EncryptionAlgorithm.HPKE_P256,
    (0, 0x11, 2, 2): EncryptionAlgorithm.HPKE_P384,
    (0, 0x12, 3, 2): EncryptionAlgorithm.HPKE_P521,
    (0, 0x647A, 1, 2): EncryptionAlgorithm.HPKE_ML_KEM_768_X25519,
    (0, 0x51, 2, 2): EncryptionAlgorithm.HPKE_ML_KEM_1024_P384,
}
_HPKE_CURVES: Mapping[EncryptionAlgorithm, ec.EllipticCurve] = {
    EncryptionAlgorithm.HPKE_P256: ec.SECP256R1(),
    EncryptionAlgorithm.HPKE_P384: ec.SECP384R1(),
    EncryptionAlgorithm.HPKE_P521: ec.SECP521R1(),
}


def oaep(path: str) -> Iterator[Case]:
    """Files of OAEP with any two hashes, and of PKCS #1 v1.5: only one of them is ours."""
    difference = None if "sha256-sha256" in path else "OAEP hash"
    if "pkcs1v15" in path:
        difference = "PKCS #1 v1.5 encryption"
    given: dict[str, int] = {}
    message = b""
    for label, digits in labelled(path):
        if label.startswith("Message"):
            message = bytes.fromhex(digits)
        elif label.startswith("Encryption"):
            key = rsa_private(given["Prime 1"], given["Prime 2"], given["Public exponent"])
            yield from _oaep_cases(key, message, bytes.fromhex(digits), difference)
        elif label != "Seed":
            given[label] = int(digits, 16)


def oaep_label(path: str) -> Iterator[Case]:
    for block in blocks(path, "Output"):
        key = load_der_private_key(block.data("KEY"), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        label, ciphertext = block.data("OAEPLabel"), block.data("Input")
        message = block["Output"].strip('"').encode()
        yield from _oaep_cases(key, message, ciphertext, "OAEP hash", label)


def hpke_vectors(path: str) -> Iterator[Case]:
    for vector in json.loads((HOME / path).read_text()):
        parts = tuple(vector[name] for name in ("mode", "kem_id", "kdf_id", "aead_id"))
        if parts not in _HPKE:
            yield left_out("HPKE", "HPKE suite")
            continue
        if _HPKE[parts] not in _HPKE_CURVES:
            yield left_out("HPKE", "HPKE seed")
            continue
        for message in vector["encryptions"]:
            yield Case(
                kind=str(_HPKE[parts]),
                valid=True,
                accepts=partial(_opens, _HPKE[parts], vector, message),
                difference="HPKE AAD",
            )


def ml_kem(path: str) -> Iterator[Case]:
    """Keys from their seeds; the secret of a ciphertext, and of one that was made for nobody."""
    make, algorithm = _KEMS[path.removesuffix(".rsp").rpartition("_")[2]]
    for block in blocks_without_gaps(path, "ss"):
        ours = partial(_encapsulation, make, algorithm, bytes.fromhex(block["d"] + block["z"]))
        public = bytes.fromhex(block["pk"])
        yield Case(
            kind=f"{algorithm}, the public key of a seed",
            valid=True,
            accepts=partial(_has_public_key, ours, public),
        )
        for name in ("", "_n"):
            ciphertext, secret = (bytes.fromhex(block[f"{what}{name}"]) for what in ("ct", "ss"))
            accepts = partial(_decapsulates, ours, ciphertext, secret)
            yield Case(kind=f"{algorithm}{name}", valid=True, accepts=accepts)
            for what, other in (("cut", ciphertext[:-1]), ("flipped", _flipped(ciphertext))):
                accepts = partial(_decapsulates, ours, other, secret)
                kind = f"{algorithm}{name}, {what}"
                yield Case(kind=kind, valid=False, accepts=accepts, derived=True)


def _oaep_cases(
    key: rsa.RSAPrivateKey,
    message: bytes,
    ciphertext: bytes,
    difference: str | None,
    label: bytes = b"",
) -> Iterator[Case]:
    kind = f"RSA {key.key_size}, {difference or 'OAEP SHA-256'}"
    yield Case(
        kind=kind,
        valid=True,
        accepts=partial(_decrypts, key, message, ciphertext, label),
        difference=difference,
    )
    if difference is None:
        for what, other, labelled_as in (
            ("flipped", _flipped(ciphertext), label),
            ("cut", ciphertext[:-1], label),
            ("another label", ciphertext, b"header"),
        ):
            accepts = partial(_decrypts, key, message, other, labelled_as)
            yield Case(kind=f"{kind}, {what}", valid=False, accepts=accepts, derived=True)


def _decrypts(key: rsa.RSAPrivateKey, message: bytes, ciphertext: bytes, label: bytes) -> bool:
    return encryption_of(_OAEP, key).decrypt(ciphertext, label) == message


def _opens(algorithm: EncryptionAlgorithm, vector: dict[str, Any], message: dict[str, str]) -> bool:
    private = _hpke_private(algorithm, vector["skRm"])
    ciphertext = bytes.fromhex(vector["enc"] + message["ct"])
    opened = encryption_of(algorithm, private).decrypt(ciphertext, bytes.fromhex(vector["info"]))
    return opened == bytes.fromhex(message["pt"])


@lru_cache(maxsize=8)
def _hpke_private(algorithm: EncryptionAlgorithm, secret: str) -> Any:
    return ec.derive_private_key(int(secret, 16), _HPKE_CURVES[algorithm])


@lru_cache(maxsize=8)
def _encapsulation(make: Any, algorithm: EncapsulationAlgorithm, seed: bytes) -> Encapsulation:
    return Encapsulation(algorithm, make.from_seed_bytes(seed))


def _has_public_key(ours: Any, public: bytes) -> bool:
    spki: bytes = ours().public_key()
    return spki.endswith(public)


def _decapsulates(ours: Any, ciphertext: bytes, secret: bytes) -> bool:
    decapsulated: bytes = ours().decapsulate(ciphertext).reveal()
    return decapsulated == secret


def _flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])
