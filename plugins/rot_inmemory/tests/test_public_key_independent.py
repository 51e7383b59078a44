"""Key pairs against others who read the same standards: the library alone, the `openssl` command,
and HPKE's key schedule written out from RFC 9180. Each in both directions."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings
from aegis_rot_inmemory.master import decode, wrapping_of
from aegis_rot_inmemory.material import open_material
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, padding, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from aegis_kernel import (
    Algorithm,
    Binding,
    Header,
    KeyId,
    KeySpec,
    Kind,
    OpenKey,
    ParameterSet,
    Secret,
    SignatureAlgorithm,
    SignatureFormat,
    canonical_bytes,
)
from aegis_kernel.testing.doubles import plugin_context
from aegis_kernel.testing.keys import MESSAGE, SPECS

MASTER_KEY = Secret(b64encode(bytes(range(1, 33))))
NO_CONTEXT = canonical_bytes(None)
BY_NAME = {spec.name: spec for spec in SPECS}

# RFC 9180 §7.1 and its registry: KEM id, KDF id, hash, the KEM's own hash.
HPKE = {
    "P-256": (0x0010, 1, "sha256", "sha256"),
    "P-384": (0x0011, 2, "sha384", "sha384"),
    "P-521": (0x0012, 3, "sha512", "sha512"),
    "ML-KEM-768-X25519": (0x647A, 1, "sha256", ""),
    "ML-KEM-1024-P384": (0x0051, 2, "sha384", ""),
}
LABELS = {"ML-KEM-768-X25519": rb"\.//^\ "[:-1], "ML-KEM-1024-P384": b"MLKEM1024-P384"}


class Pair:
    """A key that we made, and its bytes, which only a test may see."""

    def __init__(self, spec: KeySpec, binding: Binding, key: OpenKey, parts: list[Any]) -> None:
        self.spec, self.binding, self.key, self.parts = spec, binding, key, parts

    @property
    def header(self) -> bytes:
        assert self.key.suite is not None
        return Header(self.key.suite, Kind.DATA, self.binding.key_id, 1).encode()


async def pair(name: str, tmp_path: Path) -> Pair:
    settings = InMemorySettings(master_key=MASTER_KEY)
    root = InMemoryRootOfTrust(plugin_context(settings, tmp_path))
    await root.open()
    binding = Binding(KeyId(str(uuid4())), 1, BY_NAME[name])
    material = await root.create(BY_NAME[name], binding)
    found = open_material(wrapping_of(decode(MASTER_KEY)).key, binding, material)
    parts = [load_der_private_key(each, None) for each in (found.own, found.traditional) if each]
    return Pair(BY_NAME[name], binding, await root.open_key(material, binding), parts)


# ---- openssl ----------------------------------------------------------------------------------


def openssl(*arguments: str | Path) -> bytes:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def files(made: Pair, folder: Path) -> tuple[Path, Path, Path]:
    """The private key, the public key and the message, as files."""
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

    private, public, message = folder / "key", folder / "public", folder / "message"
    private.write_bytes(
        made.parts[0].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    public.write_bytes(
        load_der_public_key(made.key.public_key or b"").public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
    )
    message.write_bytes(MESSAGE)
    return private, public, message


SIGNING = ["RSA-2048", "P-256", "P-384", "P-521", "secp256k1", "Ed25519", "Ed448"]


def options(algorithm: SignatureAlgorithm) -> list[str]:
    if "Pss" in algorithm:
        return ["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"]
    return []


@pytest.mark.parametrize("name", SIGNING)
async def test_openssl_verifies_what_we_sign_and_we_what_it_signs(
    name: str, tmp_path: Path
) -> None:
    made = await pair(name, tmp_path)
    private, public, message = files(made, tmp_path)
    signature = tmp_path / "signature"
    for algorithm in sorted(made.spec.signature_algorithms):
        raw = ["-rawin", "-in", message]
        if not algorithm.startswith("Ed"):
            raw += ["-digest", f"sha{algorithm[-3:]}"]
        signature.write_bytes(await made.key.sign(algorithm, MESSAGE))
        common = [*raw, *options(algorithm)]
        openssl("pkeyutl", "-verify", "-pubin", "-inkey", public, "-sigfile", signature, *common)
        theirs = openssl("pkeyutl", "-sign", "-inkey", private, *common)
        assert await made.key.verify(algorithm, MESSAGE, theirs)


@pytest.mark.parametrize("name", ["RSA-2048", "P-256", "P-384", "P-521", "secp256k1"])
async def test_openssl_and_we_sign_the_same_digest(name: str, tmp_path: Path) -> None:
    made = await pair(name, tmp_path)
    private, public, _ = files(made, tmp_path)
    signature, digest = tmp_path / "signature", tmp_path / "digest"
    for algorithm in sorted(made.spec.signature_algorithms):
        hashed = hashlib.new(f"sha{algorithm[-3:]}", MESSAGE).digest()
        digest.write_bytes(hashed)
        signature.write_bytes(await made.key.sign(algorithm, hashed, prehashed=True))
        common = ["-in", digest, "-pkeyopt", f"digest:sha{algorithm[-3:]}", *options(algorithm)]
        openssl("pkeyutl", "-verify", "-pubin", "-inkey", public, "-sigfile", signature, *common)
        theirs = openssl("pkeyutl", "-sign", "-inkey", private, *common)
        assert await made.key.verify(algorithm, hashed, theirs, prehashed=True)
        assert await made.key.verify(algorithm, MESSAGE, theirs)


OAEP = ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"]


@pytest.mark.parametrize("name", ["RSA-2048", "RSA-3072", "RSA-4096"])
async def test_openssl_and_we_decrypt_each_others_oaep(name: str, tmp_path: Path) -> None:
    made = await pair(name, tmp_path)
    private, public, message = files(made, tmp_path)
    theirs = openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", public, "-in", message, *OAEP)
    assert (await made.key.decrypt_raw(theirs)).reveal() == MESSAGE
    label = ["-pkeyopt", f"rsa_oaep_label:{made.header.hex()}"]
    ours = tmp_path / "ciphertext"
    ours.write_bytes(await made.key.encrypt(made.header, Secret(MESSAGE), NO_CONTEXT))
    assert openssl("pkeyutl", "-decrypt", "-inkey", private, "-in", ours, *OAEP, *label) == MESSAGE
    labelled = openssl(
        "pkeyutl", "-encrypt", "-pubin", "-inkey", public, "-in", message, *OAEP, *label
    )
    opened = await made.key.decrypt(made.header, labelled, NO_CONTEXT)
    assert opened.reveal() == MESSAGE


# ---- P1363, read without the library ------------------------------------------------------------


@pytest.mark.parametrize("name", ["P-256", "P-384", "P-521", "secp256k1"])
async def test_p1363_is_the_two_numbers_of_the_der(name: str, tmp_path: Path) -> None:
    made = await pair(name, tmp_path)
    (algorithm,) = made.spec.signature_algorithms
    flat = await made.key.sign(algorithm, MESSAGE, signature_format=SignatureFormat.P1363)
    halves = flat[: len(flat) // 2], flat[len(flat) // 2 :]
    numbers = b"".join(integer(half) for half in halves)
    der = b"\x30" + length(len(numbers)) + numbers
    assert await made.key.verify(algorithm, MESSAGE, der)


def integer(number: bytes) -> bytes:
    stripped = number.lstrip(b"\x00")
    if stripped[0] & 0x80:
        stripped = b"\x00" + stripped
    return b"\x02" + length(len(stripped)) + stripped


def length(size: int) -> bytes:
    return bytes([size]) if size < 128 else bytes([0x81, size])


# ---- HPKE, written out from RFC 9180 -------------------------------------------------------------


class Schedule:
    """Base mode, AES-256-GCM, one message (RFC 9180 §4, §5.1)."""

    def __init__(self, kem: int, kdf: int, name: str) -> None:
        self._suite = b"HPKE" + b"".join(n.to_bytes(2, "big") for n in (kem, kdf, 2))
        self._name = name

    def open(self, shared_secret: bytes, info: bytes, ciphertext: bytes) -> bytes:
        psk_id = self._extract(b"", b"psk_id_hash", b"")
        context = b"\x00" + psk_id + self._extract(b"", b"info_hash", info)
        secret = self._extract(shared_secret, b"secret", b"")
        key = self._expand(secret, b"key", context, 32)
        nonce = self._expand(secret, b"base_nonce", context, 12)
        return AESGCM(key).decrypt(nonce, ciphertext, b"")

    def _extract(self, salt: bytes, label: bytes, key: bytes) -> bytes:
        return extract(self._name, salt, b"HPKE-v1" + self._suite + label + key)

    def _expand(self, secret: bytes, label: bytes, info: bytes, size: int) -> bytes:
        labelled = size.to_bytes(2, "big") + b"HPKE-v1" + self._suite + label + info
        return expand(self._name, secret, labelled, size)


def extract(name: str, salt: bytes, key: bytes) -> bytes:
    return hmac.new(salt or bytes(hashlib.new(name).digest_size), key, name).digest()


def expand(name: str, secret: bytes, info: bytes, size: int) -> bytes:
    out, block, counter = b"", b"", 0
    while len(out) < size:
        counter += 1
        block = hmac.new(secret, block + info + bytes([counter]), name).digest()
        out += block
    return out[:size]


def shared_secret(made: Pair, enc: bytes) -> bytes:
    """Decapsulate by hand: DHKEM (RFC 9180 §4.1), or the hybrids' C2PRI combiner."""
    kem, _, _, name = HPKE[made.spec.name]
    if made.spec.algorithm is Algorithm.EC:
        return dhkem(made.parts[0], enc, kem, name)
    post_quantum, traditional = made.parts
    size = 1088 if isinstance(post_quantum, mlkem.MLKEM768PrivateKey) else 1568
    public = (made.key.public_key or b"")[1184 if size == 1088 else 1568 :]
    if isinstance(traditional, x25519.X25519PrivateKey):
        peer = x25519.X25519PublicKey.from_public_bytes(enc[size:])
        agreed = traditional.exchange(peer)
    else:
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), enc[size:])
        agreed = traditional.exchange(ec.ECDH(), point)
    inner = post_quantum.decapsulate(enc[:size])
    label = LABELS[made.spec.name]
    return hashlib.sha3_256(inner + agreed + enc[size:] + public + label).digest()


def dhkem(private: Any, enc: bytes, kem: int, name: str) -> bytes:
    suite = b"KEM" + kem.to_bytes(2, "big")
    peer = ec.EllipticCurvePublicKey.from_encoded_point(private.curve, enc)
    own = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    agreed = private.exchange(ec.ECDH(), peer)
    size = hashlib.new(name).digest_size
    prk = extract(name, b"", b"HPKE-v1" + suite + b"eae_prk" + agreed)
    info = size.to_bytes(2, "big") + b"HPKE-v1" + suite + b"shared_secret" + enc + own
    return expand(name, prk, info, size)


@pytest.mark.parametrize("name", sorted(HPKE))
async def test_rfc_9180_written_out_decrypts_what_we_encrypt(name: str, tmp_path: Path) -> None:
    made = await pair(name, tmp_path)
    kem, kdf, hashing, _ = HPKE[name]
    body = await made.key.encrypt(made.header, Secret(MESSAGE), NO_CONTEXT)
    assert made.key.suite is not None
    size = made.key.suite.prefix_bytes - len(made.header)
    secret = shared_secret(made, body[:size])
    assert Schedule(kem, kdf, hashing).open(secret, made.header, body[size:]) == MESSAGE


def outsider(made: Pair) -> Any:
    """The public key, as somebody reads it who has its published bytes alone."""
    published = made.key.public_key or b""
    if made.spec.parameter_set is ParameterSet.ML_KEM_768_X25519:
        return hpke.MLKEM768X25519PublicKey(
            mlkem.MLKEM768PublicKey.from_public_bytes(published[:1184]),
            x25519.X25519PublicKey.from_public_bytes(published[1184:]),
        )
    if made.spec.parameter_set is ParameterSet.ML_KEM_1024_P384:
        return hpke.MLKEM1024P384PublicKey(
            mlkem.MLKEM1024PublicKey.from_public_bytes(published[:1568]),
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), published[1568:]),
        )
    return load_der_public_key(published)


SUITES = {
    "P-256": (hpke.KEM.P256, hpke.KDF.HKDF_SHA256),
    "P-384": (hpke.KEM.P384, hpke.KDF.HKDF_SHA384),
    "P-521": (hpke.KEM.P521, hpke.KDF.HKDF_SHA512),
    "ML-KEM-768-X25519": (hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256),
    "ML-KEM-1024-P384": (hpke.KEM.MLKEM1024_P384, hpke.KDF.HKDF_SHA384),
}


@pytest.mark.parametrize("name", sorted(SUITES))
async def test_we_decrypt_what_an_outsider_encrypts_with_the_published_key(
    name: str, tmp_path: Path
) -> None:
    made = await pair(name, tmp_path)
    suite = hpke.Suite(*SUITES[name], hpke.AEAD.AES_256_GCM)
    theirs = suite.encrypt(MESSAGE, outsider(made))
    assert (await made.key.decrypt_raw(theirs)).reveal() == MESSAGE


@pytest.mark.parametrize("name", ["ML-KEM-768", "ML-KEM-1024"])
async def test_an_outsider_encapsulates_with_the_published_key(name: str, tmp_path: Path) -> None:
    made = await pair(name, tmp_path)
    secret, ciphertext = outsider(made).encapsulate()
    assert (await made.key.decapsulate(ciphertext)).reveal() == secret
    ours = await made.key.encapsulate()
    assert made.parts[0].decapsulate(ours.ciphertext) == ours.shared_secret.reveal()


@pytest.mark.parametrize("name", ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"])
async def test_an_outsider_verifies_ml_dsa_with_the_published_key(
    name: str, tmp_path: Path
) -> None:
    made = await pair(name, tmp_path)
    (algorithm,) = made.spec.signature_algorithms
    outsider(made).verify(await made.key.sign(algorithm, MESSAGE), MESSAGE)
    assert await made.key.verify(algorithm, MESSAGE, made.parts[0].sign(MESSAGE))
    other_context = made.parts[0].sign(MESSAGE, b"context")
    assert not await made.key.verify(algorithm, MESSAGE, other_context)


async def test_oaep_of_another_hash_or_with_a_label_does_not_open(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.hashes import SHA1, SHA512

    from aegis_kernel import DecryptionFailedError

    made = await pair("RSA-2048", tmp_path)
    public = outsider(made)
    for mgf, hashing, label in (
        (SHA1(), SHA256(), b""),
        (SHA256(), SHA1(), b""),
        (SHA512(), SHA512(), b""),
        (SHA256(), SHA256(), b"label"),
    ):
        theirs = public.encrypt(MESSAGE, padding.OAEP(padding.MGF1(mgf), hashing, label))
        with pytest.raises(DecryptionFailedError):
            await made.key.decrypt_raw(theirs)
