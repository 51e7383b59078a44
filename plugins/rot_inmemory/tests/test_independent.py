"""Suite 1 read from its description by other means: the standard library's HMAC, nothing of ours."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from base64 import b64decode
from pathlib import Path

import msgspec
import pytest
from aegis_rot_inmemory.kdf import derive
from aegis_rot_inmemory.suite import seal, wrap
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding
from hypothesis import given, settings
from hypothesis import strategies as st

VECTORS = sorted((Path(__file__).parents[3] / "tests/golden/ciphertext").glob("AES-*.json"))


def kbkdf(key: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """SP 800-108r1 §4.1 with a 32-bit counter in front and a 32-bit length at the end."""
    fixed = label + b"\x00" + context + (8 * length).to_bytes(4, "big")
    blocks = -(-length // 32)
    return b"".join(
        hmac.new(key, counter.to_bytes(4, "big") + fixed, hashlib.sha256).digest()
        for counter in range(1, blocks + 1)
    )[:length]


def message_key(key: bytes, ciphertext: bytes, context: bytes) -> bytes:
    """Check all of the 120 bytes but the nonce, and return K."""
    header, salt = ciphertext[:25], ciphertext[25:57]
    commitment, tag = ciphertext[57:89], ciphertext[89:105]
    assert ciphertext[117:120] == b"\x00\x00\x00"
    tag_key = kbkdf(key, b"ctx", salt + header, 32)
    assert tag == hmac.new(tag_key, context, hashlib.sha256).digest()[:16]
    both = kbkdf(key, b"env", salt + header + tag, len(key) + 32)
    assert commitment == both[len(key) :]
    return both[: len(key)]


def decrypt(key: bytes, ciphertext: bytes, context: bytes) -> bytes:
    nonce, aad = ciphertext[105:117], ciphertext[:120] + context
    return AESGCM(message_key(key, ciphertext, context)).decrypt(nonce, ciphertext[120:], aad)


def unwrap(key: bytes, wrapped: bytes, context: bytes) -> bytes:
    assert wrapped[105:117] == bytes(12)
    return aes_key_unwrap_with_padding(message_key(key, wrapped, context), wrapped[120:])


def context_bytes(pairs: dict[str, str] | None) -> bytes:
    """The canonical encoding, for pairs whose keys are given in order of their UTF-8 bytes."""
    out = b"aegis-ctx-v1\x00" + len(pairs or {}).to_bytes(4, "big")
    for text in (text for pair in sorted((pairs or {}).items()) for text in pair):
        out += len(text.encode()).to_bytes(4, "big") + text.encode()
    return out


@settings(max_examples=100, deadline=None)
@given(
    key=st.sampled_from([16, 24, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
    label=st.sampled_from([b"ctx", b"env", b"wrapping key", b"fingerprint"]),
    context=st.sampled_from([0, 57, 73]).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
    length=st.sampled_from([8, 32, 48, 56, 64]),
)
def test_the_derivation_is_sp_800_108(
    key: bytes, label: bytes, context: bytes, length: int
) -> None:
    assert derive(key, label, context, length) == kbkdf(key, label, context, length)


@pytest.mark.parametrize("size", [16, 24, 32])
def test_the_description_alone_opens_what_the_suite_makes(size: int) -> None:
    key, context = os.urandom(size), context_bytes({"tenant": "acme"})
    for kind, make, read in ((b"\x01", seal, decrypt), (b"\x02", wrap, unwrap)):
        header = b"\x01\x01" + kind + b"\x00\x78" + os.urandom(16) + b"\x00\x00\x00\x07"
        inside = os.urandom(32)
        assert read(key, header + make(key, header, inside, context), context) == inside


@pytest.mark.parametrize("file", VECTORS, ids=lambda file: file.stem)
def test_the_description_alone_opens_the_frozen_vectors(file: Path) -> None:
    vector = json.loads(file.read_text(encoding="utf-8"))
    key = b64decode(vector["keyBytes"])
    for case in vector["ciphertexts"]:
        ciphertext, context = b64decode(case["ciphertext"]), context_bytes(case["context"])
        assert decrypt(key, ciphertext, context) == b64decode(case["plaintext"])
    for case in vector["wraps"]:
        wrapped, context = b64decode(case["wrapped"]), context_bytes(case["context"])
        assert unwrap(key, wrapped, context) == b64decode(case["keyBytes"])


@pytest.mark.parametrize("file", VECTORS, ids=lambda file: file.stem)
def test_the_description_alone_opens_frozen_material(file: Path) -> None:
    vector = json.loads(file.read_text(encoding="utf-8"))
    master = b64decode(vector["masterKey"])
    assert kbkdf(master, b"fingerprint", b"", 8).hex() == vector["fingerprint"]
    bound = {
        "purpose": "key version material",
        "key": vector["keyId"],
        "version": str(vector["version"]),
        "algorithm": "AES",
        "size or curve": str(vector["spec"]["sizeBits"]),
    }
    material = b64decode(vector["material"])
    plaintext = decrypt(kbkdf(master, b"wrapping key", b"", 32), material, context_bytes(bound))
    assert msgspec.msgpack.decode(plaintext)["own"] == b64decode(vector["keyBytes"])
