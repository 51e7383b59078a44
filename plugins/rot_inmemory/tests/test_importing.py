"""Keys from outside: what was wrapped opens under its own token alone, and becomes that very key."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings
from aegis_rot_inmemory.importing import NOT_UNWRAPPED
from aegis_rot_inmemory.master import decode, wrapping_of
from aegis_rot_inmemory.material import open_material
from aegis_rot_inmemory.tokens import open_token
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.keywrap import aes_key_wrap, aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import load_der_private_key
from msgspec.structs import replace

from aegis_kernel import (
    Algorithm,
    BadRequestError,
    Binding,
    Curve,
    KeyId,
    KeySpec,
    Material,
    OpenKey,
    ParameterSet,
    PlainImport,
    PublicImport,
    Secret,
    SignatureAlgorithm,
    SignatureFormat,
    TokenBinding,
    WrappedImport,
)
from aegis_kernel.testing.doubles import plugin_context
from aegis_kernel.testing.keys import SPECS

FOLDER = Path(__file__).parents[3] / "tests/golden/imports"
VECTORS = {file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))}
VERIFYING = [name for name in VECTORS if "publicMaterial" in VECTORS[name]]
AES = VECTORS["AES-256"]
MASTER_KEY = Secret(AES["masterKey"].encode())
WRAPPING_KEY = wrapping_of(decode(MASTER_KEY)).key

every_vector = pytest.mark.parametrize("name", VECTORS)


def bytes_of(vector: dict[str, Any], field: str) -> bytes:
    return b64decode(vector[field])


def spec_of(vector: dict[str, Any]) -> KeySpec:
    spec = vector["spec"]
    return KeySpec(
        name=spec["name"],
        algorithm=Algorithm(spec["algorithm"]),
        size_bits=spec["sizeBits"],
        curve=Curve(spec["curve"]) if spec["curve"] else None,
        parameter_set=ParameterSet(spec["parameterSet"]) if spec["parameterSet"] else None,
    )


def binding_of(vector: dict[str, Any]) -> Binding:
    return Binding(KeyId(vector["keyId"]), vector["version"], spec_of(vector))


def token_binding_of(vector: dict[str, Any]) -> TokenBinding:
    return TokenBinding(KeyId(vector["keyId"]), spec_of(vector), vector["expires"])


def import_of(vector: dict[str, Any], wrapped: bytes | None = None) -> WrappedImport:
    token = Secret(bytes_of(vector, "token"))
    given = bytes_of(vector, "wrapped") if wrapped is None else wrapped
    return WrappedImport(token, token_binding_of(vector), given)


def wrap(
    vector: dict[str, Any],
    material: bytes,
    *,
    size: int = 32,
    hashing: HashAlgorithm | None = None,
    label: bytes | None = None,
) -> bytes:
    """Wrap `material` under the vector's token, as its owner would, or nearly so."""
    pkcs8 = open_token([WRAPPING_KEY], token_binding_of(vector), Secret(bytes_of(vector, "token")))
    private = load_der_private_key(pkcs8.reveal(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(private, rsa.RSAPrivateKey)
    key, hashing = os.urandom(size), hashing or SHA256()
    oaep = padding.OAEP(padding.MGF1(hashing), hashing, label)
    wrapped = aes_key_wrap_with_padding(key, material) if size in (16, 24, 32) else bytes(40)
    return private.public_key().encrypt(key, oaep) + wrapped


@pytest.fixture
async def root(tmp_path: Path) -> InMemoryRootOfTrust:
    return await opened_root(tmp_path, MASTER_KEY)


async def opened_root(folder: Path, master_key: Secret | None) -> InMemoryRootOfTrust:
    root = InMemoryRootOfTrust(plugin_context(InMemorySettings(master_key=master_key), folder))
    await root.open()
    return root


async def opened(root: InMemoryRootOfTrust, vector: dict[str, Any], material: bytes) -> OpenKey:
    return await root.open_key(Material("inmemory", Secret(material)), binding_of(vector))


def test_there_is_a_vector_for_every_kind_of_key_that_is_imported() -> None:
    hybrids = {"ML-KEM-768-X25519", "ML-KEM-1024-P384"}
    assert set(VECTORS) == {spec.name for spec in SPECS} - hybrids
    assert len(VERIFYING) == 12


@every_vector
async def test_what_was_once_wrapped_still_imports_as_the_same_key(
    root: InMemoryRootOfTrust, name: str
) -> None:
    vector = VECTORS[name]
    material = await root.import_material(binding_of(vector), import_of(vector))
    key_bytes = open_material(WRAPPING_KEY, binding_of(vector), material)
    assert key_bytes.own == bytes_of(vector, "plain")
    assert not key_bytes.companions
    frozen = Material("inmemory", Secret(bytes_of(vector, "material")))
    assert open_material(WRAPPING_KEY, binding_of(vector), frozen) == key_bytes
    key = await opened(root, vector, material.wrapped.reveal())
    assert key.public_key == (bytes_of(vector, "publicKey") if "publicKey" in vector else None)
    assert bytes_of(vector, "plain") not in material.wrapped.reveal()


@every_vector
async def test_what_was_wrapped_by_the_library_or_comes_plain_is_the_same_key(
    root: InMemoryRootOfTrust, name: str
) -> None:
    vector = VECTORS[name]
    plain = bytes_of(vector, "plain")
    for source in (import_of(vector, wrap(vector, plain)), PlainImport(Secret(plain))):
        material = await root.import_material(binding_of(vector), source)
        assert open_material(WRAPPING_KEY, binding_of(vector), material).own == plain


@pytest.mark.parametrize("name", VERIFYING)
async def test_a_public_key_verifies_and_nothing_else(root: InMemoryRootOfTrust, name: str) -> None:
    vector = VECTORS[name]
    imported = await root.import_material(
        binding_of(vector), PublicImport(bytes_of(vector, "publicKey"))
    )
    algorithm = SignatureAlgorithm(vector["algorithm"])
    message, signature = bytes_of(vector, "message"), bytes_of(vector, "signature")
    for material in (imported.wrapped.reveal(), bytes_of(vector, "publicMaterial")):
        key = await opened(root, vector, material)
        assert key.public_key == bytes_of(vector, "publicKey")
        assert await key.verify(algorithm, message, signature)
        assert not await key.verify(algorithm, message + b".", signature)
        for call in private_calls(key, algorithm):
            with pytest.raises(BadRequestError, match="a public key that was imported"):
                await call
        other = next(a for a in SignatureAlgorithm if a not in spec_of(vector).signature_algorithms)
        with pytest.raises(BadRequestError, match="does not verify"):
            await key.verify(other, message, signature)


def private_calls(key: OpenKey, algorithm: SignatureAlgorithm) -> Iterator[Any]:
    yield key.sign(algorithm, b"message")
    yield key.encrypt(b"", Secret(b"x"), b"")
    yield key.decrypt(b"", b"x", b"")
    yield key.decrypt_raw(b"x")


@pytest.mark.parametrize("name", ["P-256", "P-384", "P-521", "secp256k1"])
async def test_a_public_key_verifies_in_every_format_that_its_private_key_signs_in(
    root: InMemoryRootOfTrust, name: str
) -> None:
    vector = VECTORS[name]
    private = await opened(root, vector, bytes_of(vector, "material"))
    public = await opened(root, vector, bytes_of(vector, "publicMaterial"))
    algorithm = SignatureAlgorithm(vector["algorithm"])
    for form in SignatureFormat:
        signature = await private.sign(algorithm, b"message", signature_format=form)
        assert await public.verify(algorithm, b"message", signature, signature_format=form)
        assert not await public.verify(algorithm, b"message", signature[1:], signature_format=form)


@pytest.mark.parametrize("name", ["AES-256", "HMAC-256", "ML-KEM-768"])
async def test_a_public_key_is_for_keys_that_verify(root: InMemoryRootOfTrust, name: str) -> None:
    with pytest.raises(BadRequestError, match="do not verify"):
        await root.import_material(binding_of(VECTORS[name]), PublicImport(b"0"))


async def test_every_way_in_which_it_does_not_unwrap_is_told_alike(
    root: InMemoryRootOfTrust,
) -> None:
    plain, good = bytes_of(AES, "plain"), bytes_of(AES, "wrapped")
    bad = {
        "no longer than the RSA part": good[:512],
        "nothing": b"",
        "a byte less": good[:-1],
        "eight bytes less": good[:-8],
        "another byte": good + b"\0",
        "eight more bytes": good + bytes(8),
        "another first byte": b"\0" + good,
        "SHA-1": wrap(AES, plain, hashing=SHA1()),
        "a label": wrap(AES, plain, label=b"label"),
        "AES-128": wrap(AES, plain, size=16),
        "AES-192": wrap(AES, plain, size=24),
        "no AES key": wrap(AES, plain, size=31),
        "too long an AES key": wrap(AES, plain, size=33),
        "a number above the modulus": b"\xff" * 512 + good[512:],
    }
    for position in (*range(0, 512, 73), 511, *range(512, len(good))):
        flipped = bytes([good[position] ^ 1])
        bad[f"byte {position}"] = good[:position] + flipped + good[position + 1 :]
    for what, wrapped in bad.items():
        with pytest.raises(BadRequestError) as caught:
            await root.import_material(binding_of(AES), import_of(AES, wrapped))
        assert (what, caught.value.message) == (what, NOT_UNWRAPPED)
        assert caught.value.reason is None
        assert caught.value.__cause__ is None


async def test_key_wrap_without_padding_is_another_mechanism(root: InMemoryRootOfTrust) -> None:
    pkcs8 = open_token([WRAPPING_KEY], token_binding_of(AES), Secret(bytes_of(AES, "token")))
    private = load_der_private_key(pkcs8.reveal(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    key, oaep = os.urandom(32), padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
    wrapped = private.public_key().encrypt(key, oaep) + aes_key_wrap(key, bytes(32))
    with pytest.raises(BadRequestError, match="does not unwrap"):
        await root.import_material(binding_of(AES), import_of(AES, wrapped))


async def test_the_token_of_another_key_is_refused(root: InMemoryRootOfTrust) -> None:
    other = Secret(bytes_of(VECTORS["AES-192"], "token"))
    with pytest.raises(BadRequestError, match="importToken is not one of this key"):
        await root.import_material(binding_of(AES), replace(import_of(AES), token=other))


@pytest.mark.parametrize("name", ["AES-128", "AES-192", "AES-256", "HMAC-256", "HMAC-512"])
async def test_a_symmetric_key_has_exactly_its_length(root: InMemoryRootOfTrust, name: str) -> None:
    vector, plain = VECTORS[name], bytes_of(VECTORS[name], "plain")
    for bad in (plain[:-1], plain + b"\0", plain[:8], plain * 2):
        with pytest.raises(BadRequestError, match=f"^This is no key of {name}: it has"):
            await root.import_material(binding_of(vector), import_of(vector, wrap(vector, bad)))


async def test_a_key_of_another_kind_or_no_key_is_refused(root: InMemoryRootOfTrust) -> None:
    vector = VECTORS["P-256"]
    other = bytes_of(VECTORS["P-384"], "plain")
    for bad in (other, b"\x30" * 64, bytes(8193), bytes_of(vector, "plain")[:-1]):
        with pytest.raises(BadRequestError, match="This is no private key of P-256: it ") as caught:
            await root.import_material(binding_of(vector), import_of(vector, wrap(vector, bad)))
        assert caught.value.__cause__ is None


async def test_a_hybrid_is_not_imported(root: InMemoryRootOfTrust) -> None:
    spec = next(spec for spec in SPECS if spec.name == "ML-KEM-768-X25519")
    with pytest.raises(BadRequestError, match="not imported"):
        await root.import_material(Binding(KeyId(str(uuid4())), 2, spec), PlainImport(Secret(b"0")))
