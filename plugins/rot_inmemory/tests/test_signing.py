"""Signatures as a stranger sees them: through the public key and an independent reading of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings
from aegis_rot_inmemory.generation import generate
from aegis_rot_inmemory.signing import Signer
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import load_der_public_key

from aegis_kernel import (
    Algorithm,
    BadRequestError,
    Binding,
    Curve,
    DecryptionFailedError,
    Header,
    InternalError,
    KeyId,
    KeySpec,
    Kind,
    Material,
    OpenKey,
    Operation,
    Secret,
    SignatureAlgorithm,
    canonical_bytes,
)
from aegis_kernel.testing.doubles import ThreadExecutor, plugin_context

KEY_ID = KeyId("8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9")
MESSAGE = b"invoice #1234 total $42,000"
HASHES = {"256": SHA256(), "384": SHA384(), "512": SHA512()}

AES = KeySpec(name="aes", algorithm=Algorithm.AES, size_bits=256)
HMAC = KeySpec(name="hmac", algorithm=Algorithm.HMAC, size_bits=512)
RSA = KeySpec(name="rsa", algorithm=Algorithm.RSA, size_bits=2048)
ASYMMETRIC = [
    RSA,
    *(KeySpec(name=c, algorithm=Algorithm.EC, curve=c) for c in Curve if not c.startswith("Ed")),
    *(KeySpec(name=c, algorithm=Algorithm.EDDSA, curve=c) for c in Curve if c.startswith("Ed")),
]
SPECS = [AES, HMAC, *ASYMMETRIC]

every_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
every_asymmetric = pytest.mark.parametrize("spec", ASYMMETRIC, ids=lambda spec: spec.name)


class CountingExecutor(ThreadExecutor):
    """The real one, and how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0

    async def run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        self.runs += 1
        return await super().run(work, *arguments)


class House:
    """One data directory, booted in either mode."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self.executor = CountingExecutor()

    async def boot(self, dev_mode: bool) -> InMemoryRootOfTrust:
        given = plugin_context(InMemorySettings(), self._data_dir, dev_mode=dev_mode)
        root = InMemoryRootOfTrust(msgspec.structs.replace(given, executor=self.executor))
        await root.open()
        return root

    async def make(self, spec: KeySpec, dev_mode: bool) -> Material:
        return await (await self.boot(dev_mode)).create(spec, Binding(KEY_ID, 1, spec))

    async def open(self, material: Material, spec: KeySpec, dev_mode: bool) -> OpenKey:
        return await (await self.boot(dev_mode)).open_key(material, Binding(KEY_ID, 1, spec))

    async def new(self, spec: KeySpec, dev_mode: bool = False) -> OpenKey:
        return await self.open(await self.make(spec, dev_mode), spec, dev_mode)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def verify_elsewhere(public: Any, algorithm: SignatureAlgorithm, signature: bytes) -> None:
    """Raise InvalidSignature unless the library alone accepts it, with exact parameters."""
    hashing = HASHES.get(algorithm[-3:])
    match public:
        case rsa.RSAPublicKey() if "Pss" in algorithm:
            pss = padding.PSS(padding.MGF1(hashing), hashing.digest_size)
            public.verify(signature, MESSAGE, pss, hashing)
        case rsa.RSAPublicKey():
            public.verify(signature, MESSAGE, padding.PKCS1v15(), hashing)
        case ec.EllipticCurvePublicKey():
            public.verify(signature, MESSAGE, ec.ECDSA(hashing))
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            public.verify(signature, MESSAGE)
        case _:
            raise AssertionError(public)


@every_asymmetric
async def test_the_public_key_verifies_elsewhere_what_was_signed_here(
    house: House, spec: KeySpec
) -> None:
    for dev_mode in (False, True):
        key = await house.new(spec, dev_mode)
        public = load_der_public_key(key.public_key)
        for algorithm in spec.signature_algorithms:
            verify_elsewhere(public, algorithm, await key.sign(algorithm, MESSAGE))
    expected = {"RSA": 2048, "P-256": 256, "P-384": 384, "P-521": 521, "secp256k1": 256}
    assert getattr(public, "key_size", None) == expected.get(spec.curve or spec.algorithm)


def test_a_pss_salt_of_another_length_is_not_accepted() -> None:
    private = rsa.generate_private_key(65537, 2048)
    algorithm = SignatureAlgorithm.RSA_PSS_SHA256
    signer = Signer(private, frozenset({algorithm}))
    for salt, accepted in ((0, False), (20, False), (31, False), (32, True), (33, False)):
        pss = padding.PSS(padding.MGF1(SHA256()), salt)
        signature = private.sign(MESSAGE, pss, SHA256())
        assert signer.verify(algorithm, MESSAGE, signature) is accepted


async def test_only_strict_der_is_an_ecdsa_signature(house: House) -> None:
    key = await house.new(ASYMMETRIC[1])
    algorithm = SignatureAlgorithm.ECDSA_SHA256
    signature = await key.sign(algorithm, MESSAGE)
    length = signature[1]
    ber = b"\x30\x81" + bytes([length]) + signature[2:]
    indefinite = b"\x30\x80" + signature[2:] + b"\x00\x00"
    padded = (
        b"\x30"
        + bytes([length + 1])
        + b"\x02"
        + bytes([signature[3] + 1])
        + b"\x00"
        + signature[4:]
    )
    for bad in (ber, indefinite, padded, signature + b"\x00", b"\x30\x00", bytes(64)):
        assert not await key.verify(algorithm, MESSAGE, bad)


@every_spec
async def test_in_dev_mode_every_key_signs_both_walkthrough_algorithms_also_after_a_restart(
    house: House, spec: KeySpec
) -> None:
    material = await house.make(spec, dev_mode=True)
    key = await house.open(material, spec, dev_mode=True)
    again = await house.open(material, spec, dev_mode=True)
    for algorithm in (SignatureAlgorithm.RSA_PSS_SHA256, SignatureAlgorithm.ECDSA_SHA256):
        assert await again.verify(algorithm, MESSAGE, await key.sign(algorithm, MESSAGE))
        assert not await again.verify(algorithm, MESSAGE, b"not a signature")


@every_spec
async def test_companions_stay_shut_outside_dev_mode(house: House, spec: KeySpec) -> None:
    material = await house.make(spec, dev_mode=True)
    strict = await house.open(material, spec, dev_mode=False)
    for algorithm in SignatureAlgorithm:
        if algorithm not in spec.signature_algorithms:
            with pytest.raises(
                BadRequestError, match=f"does not sign with {algorithm}; create an "
            ):
                await strict.sign(algorithm, MESSAGE)
            with pytest.raises(BadRequestError, match="create an "):
                await strict.verify(algorithm, MESSAGE, b"signature")


@every_spec
async def test_a_key_from_before_dev_mode_says_that_a_rotation_helps(
    house: House, spec: KeySpec
) -> None:
    material = await house.make(spec, dev_mode=False)
    key = await house.open(material, spec, dev_mode=True)
    for algorithm in (SignatureAlgorithm.RSA_PSS_SHA256, SignatureAlgorithm.ECDSA_SHA256):
        if algorithm not in spec.signature_algorithms:
            with pytest.raises(BadRequestError, match="; rotate it, or create an "):
                await key.sign(algorithm, MESSAGE)


@every_spec
async def test_a_companion_does_one_thing_and_is_nobodys_public_key(
    house: House, spec: KeySpec
) -> None:
    root = await house.boot(dev_mode=True)
    key = await house.new(spec, dev_mode=True)
    companions = {SignatureAlgorithm.RSA_PSS_SHA256, SignatureAlgorithm.ECDSA_SHA256}
    for algorithm in set(SignatureAlgorithm) - companions - spec.signature_algorithms:
        assert not root.supports(spec, Operation.SIGN, algorithm)
        with pytest.raises(BadRequestError):
            await key.sign(algorithm, MESSAGE)
    if spec in (AES, HMAC):
        assert key.public_key is None
    for operation in (Operation.ENCRYPT, Operation.WRAP):
        assert root.supports(spec, operation) == spec_can(spec, operation)
        assert not root.supports(spec, operation, SignatureAlgorithm.RSA_PSS_SHA256)


@every_spec
def test_companions_are_made_only_where_the_own_key_does_not_fit(spec: KeySpec) -> None:
    missing = {
        "rsa": {SignatureAlgorithm.ECDSA_SHA256},
        "P-256": {SignatureAlgorithm.RSA_PSS_SHA256},
        "secp256k1": {SignatureAlgorithm.RSA_PSS_SHA256},
    }
    both = {SignatureAlgorithm.RSA_PSS_SHA256, SignatureAlgorithm.ECDSA_SHA256}
    assert set(generate(spec, True).companions) == missing.get(spec.name, both)
    assert not generate(spec, False).companions


def spec_can(spec: KeySpec, operation: Operation) -> bool:
    encrypts = spec in (AES, RSA) or spec.curve in (Curve.P256, Curve.P384, Curve.P521)
    return encrypts if operation is Operation.ENCRYPT else spec is AES


async def test_a_key_on_secp256k1_signs_ecdsa_sha256_itself_and_not_by_a_companion(
    house: House,
) -> None:
    spec = next(spec for spec in ASYMMETRIC if spec.curve is Curve.SECP256K1)
    key = await house.new(spec, dev_mode=True)
    signature = await key.sign(SignatureAlgorithm.ECDSA_SHA256, MESSAGE)
    verify_elsewhere(
        load_der_public_key(key.public_key), SignatureAlgorithm.ECDSA_SHA256, signature
    )


@every_asymmetric
async def test_slow_signatures_and_new_keys_leave_the_event_loop_and_nothing_else_does(
    house: House, spec: KeySpec
) -> None:
    key = await house.new(spec)
    fast = spec.curve in (Curve.P256, Curve.ED25519)
    for algorithm in spec.signature_algorithms:
        before = house.executor.runs
        signature = await key.sign(algorithm, MESSAGE)
        assert house.executor.runs - before == (0 if fast else 1)
        await key.verify(algorithm, MESSAGE, signature)
        assert house.executor.runs - before == (0 if fast else 1)
    root, before = await house.boot(dev_mode=False), house.executor.runs
    await root.create(spec, Binding(KEY_ID, 2, spec))
    assert house.executor.runs - before == 1


async def test_an_aes_key_works_under_its_own_header_only(house: House) -> None:
    key = await house.new(AES)
    plaintext, context = Secret(bytes(32)), canonical_bytes(None)
    own = Header(key.suite, Kind.DATA, KEY_ID, 1)
    body = await key.encrypt(own.encode(), plaintext, context)
    other_key = KeyId("00000000-0000-4000-8000-000000000000")
    for header in (
        Header(own.suite, Kind.WRAPPED_KEY, KEY_ID, 1),
        Header(own.suite, Kind.DATA, KEY_ID, 2),
        Header(own.suite, Kind.DATA, other_key, 1),
    ):
        with pytest.raises(InternalError):
            await key.encrypt(header.encode(), plaintext, context)
        with pytest.raises(DecryptionFailedError) as caught:
            await key.decrypt(header.encode(), body, context)
        assert caught.value.reason == "header of another key, version or kind"
    with pytest.raises(InternalError):
        await key.wrap(own.encode(), plaintext, context)
    with pytest.raises(DecryptionFailedError):
        await key.unwrap(own.encode(), body, context)


@every_spec
async def test_an_open_key_shows_no_bytes_even_when_its_fields_are_printed(
    house: House, spec: KeySpec
) -> None:
    key = await house.new(spec, dev_mode=True)
    headers = [repr(value) for name, value in vars(key).items() if name.endswith("_header")]
    shown = f"{key!r}{vars(key)!r}{[vars(signer) for signer in vars(key)['_signers']]!r}"
    for header in headers:
        shown = shown.replace(header, "")
    assert "b'" not in shown
    assert 'b"' not in shown
