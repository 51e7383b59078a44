"""The envelope under attack: every bit, every length, every wrong key, kind and context."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from aegis_rot_inmemory.kdf import derive
from aegis_rot_inmemory.suite import SUITE, seal, unseal, unwrap, wrap
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis_kernel import (
    CONTEXT_MISMATCH,
    HEADER_BYTES,
    NOT_AUTHENTIC,
    BadRequestError,
    DecryptionFailedError,
    Header,
    KeyId,
    Kind,
    canonical_bytes,
)

KEY = bytes(range(1, 33))
KEY_ID = KeyId("8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9")
DATA = Header(SUITE, Kind.DATA, KEY_ID, 1).encode()
WRAPPED = Header(SUITE, Kind.WRAPPED_KEY, KEY_ID, 1).encode()
MATERIAL = Header(SUITE, Kind.MATERIAL, KEY_ID, 1).encode()
CONTEXT = canonical_bytes({"dataset": "q2-financials", "tenant": "acme"})
OTHER_CONTEXT = canonical_bytes({"dataset": "q2-financials", "tenant": "acme2"})
PLAINTEXT = b"q2 financial summary: $42M revenue"

Seal = Callable[[bytes, bytes, bytes, bytes], bytes]

data = (DATA, seal, unseal)
wrapped = (WRAPPED, wrap, unwrap)
both = pytest.mark.parametrize(("header", "make", "take"), [data, wrapped], ids=["data", "wrapped"])
keys = pytest.mark.parametrize("key", [KEY[:16], KEY[:24], KEY], ids=["128", "192", "256"])


def message_of(take: Seal, key: bytes, whole: bytes, context: bytes) -> str:
    with pytest.raises(DecryptionFailedError) as caught:
        take(key, whole[:HEADER_BYTES], whole[HEADER_BYTES:], context)
    return caught.value.message


def test_what_cannot_be_a_wrapped_key_is_refused_before_anything_is_computed() -> None:
    for length in (0, 94, 95, 95 + 16, 95 + 23, 95 + 4105, 65536):
        with pytest.raises(DecryptionFailedError) as caught:
            unwrap(KEY, WRAPPED, bytes(length), CONTEXT)
        assert caught.value.reason == "wrapped key has an impossible length"


@both
@keys
def test_every_flipped_bit_is_damage(header: bytes, make: Seal, take: Seal, key: bytes) -> None:
    whole = header + make(key, header, PLAINTEXT, CONTEXT)
    number = int.from_bytes(whole, "big")
    for bit in range(8 * len(whole)):
        flipped = (number ^ 1 << bit).to_bytes(len(whole), "big")
        assert message_of(take, key, flipped, CONTEXT) == NOT_AUTHENTIC


@both
def test_damage_before_the_ciphertext_is_damage_in_a_wrong_context_too(
    header: bytes, make: Seal, take: Seal
) -> None:
    whole = header + make(KEY, header, PLAINTEXT, CONTEXT)
    assert message_of(take, KEY, whole, OTHER_CONTEXT) == CONTEXT_MISMATCH
    for position in [*range(105), 117, 118, 119]:
        flipped = whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]
        assert message_of(take, KEY, flipped, OTHER_CONTEXT) == NOT_AUTHENTIC


@both
def test_every_cut_and_every_addition_is_damage(header: bytes, make: Seal, take: Seal) -> None:
    whole = header + make(KEY, header, PLAINTEXT, CONTEXT)
    for length in range(HEADER_BYTES, len(whole)):
        assert message_of(take, KEY, whole[:length], CONTEXT) == NOT_AUTHENTIC
    for more in (1, 8, 16, 8192):
        assert message_of(take, KEY, whole + bytes(more), CONTEXT) == NOT_AUTHENTIC


@both
def test_no_other_key_opens_not_even_one_that_hmac_pads_to_the_same_block(
    header: bytes, make: Seal, take: Seal
) -> None:
    short = os.urandom(16)
    whole = header + make(short, header, PLAINTEXT, CONTEXT)
    for other in (os.urandom(16), os.urandom(32), short + bytes(8), short + bytes(16)):
        assert message_of(take, other, whole, CONTEXT) == NOT_AUTHENTIC


def test_a_kind_opens_as_no_other_kind() -> None:
    kinds = {DATA: (seal, unseal), WRAPPED: (wrap, unwrap), MATERIAL: (seal, unseal)}
    for header, (make, _) in kinds.items():
        body = make(KEY, header, PLAINTEXT, CONTEXT)
        for other, (_, take) in kinds.items():
            if other != header:
                assert message_of(take, KEY, other + body, CONTEXT) == NOT_AUTHENTIC
    for take, header, make in ((unwrap, DATA, seal), (unseal, WRAPPED, wrap)):
        whole = header + make(KEY, header, PLAINTEXT, CONTEXT)
        assert message_of(take, KEY, whole, CONTEXT) == NOT_AUTHENTIC


def test_whoever_has_the_key_still_cannot_hide_anything_in_nonce_and_zeros() -> None:
    body = wrap(KEY, WRAPPED, PLAINTEXT, CONTEXT)
    for position in range(80, 95):
        changed = body[:position] + b"\x01" + body[position + 1 :]
        assert message_of(unwrap, KEY, WRAPPED + changed, CONTEXT) == NOT_AUTHENTIC
    body = seal(KEY, DATA, PLAINTEXT, CONTEXT)
    salt, tag, nonce = body[:32], body[64:80], body[80:92]
    prefix = body[:92] + b"\x00\x00\x01"
    message_key = derive(KEY, b"env", salt + DATA + tag, 64)[:32]
    resealed = AESGCM(message_key).encrypt(nonce, PLAINTEXT, DATA + prefix + CONTEXT)
    assert message_of(unseal, KEY, DATA + prefix + resealed, CONTEXT) == NOT_AUTHENTIC


def test_no_salt_nonce_tag_or_ciphertext_comes_twice() -> None:
    bodies = [seal(KEY, DATA, PLAINTEXT, CONTEXT) for _ in range(200)]
    for part in (slice(0, 32), slice(32, 64), slice(64, 80), slice(80, 92), slice(95, None)):
        assert len({body[part] for body in bodies}) == 200
    wraps = [wrap(KEY, WRAPPED, PLAINTEXT, CONTEXT) for _ in range(200)]
    for part in (slice(0, 32), slice(32, 64), slice(64, 80), slice(95, None)):
        assert len({body[part] for body in wraps}) == 200


@keys
def test_the_layout_is_120_bytes_and_then_as_many_as_the_plaintext_has(key: bytes) -> None:
    for size in (0, 1, 34, 65536):
        body = seal(key, DATA, bytes(size), CONTEXT)
        assert len(DATA + body) == 120 + size + 16
        assert body[92:95] == bytes(3)
        assert unseal(key, DATA, body, CONTEXT) == bytes(size)
    for size in (16, 17, 24, 4095, 4096):
        body = wrap(key, WRAPPED, bytes(size), CONTEXT)
        assert len(WRAPPED + body) == 120 + 8 * -(-size // 8) + 8
        assert body[80:95] == bytes(15)
        assert unwrap(key, WRAPPED, body, CONTEXT) == bytes(size)


@pytest.mark.parametrize("size", [0, 1, 8, 15, 4097, 65536])
def test_only_16_to_4096_bytes_are_a_key_to_wrap(size: int) -> None:
    with pytest.raises(BadRequestError, match="16 to 4096 bytes"):
        wrap(KEY, WRAPPED, bytes(size), CONTEXT)


def test_a_bare_rfc_5649_blob_is_not_one_of_ours() -> None:
    bare = aes_key_wrap_with_padding(KEY, PLAINTEXT)
    assert message_of(unwrap, KEY, WRAPPED + bare, CONTEXT) == NOT_AUTHENTIC
    assert message_of(unwrap, KEY, WRAPPED + bytes(95) + bare, CONTEXT) == NOT_AUTHENTIC


def test_the_cause_goes_to_the_audit_record_and_shows_nothing() -> None:
    body = seal(KEY, DATA, PLAINTEXT, CONTEXT)
    with pytest.raises(DecryptionFailedError) as caught:
        unseal(KEY, DATA, body[:-1], CONTEXT)
    assert caught.value.reason == "ciphertext is damaged"
    assert caught.value.__cause__ is None
    with pytest.raises(DecryptionFailedError) as caught:
        unseal(KEY, DATA, body, OTHER_CONTEXT)
    assert caught.value.reason == "context is another"


CONTEXTS = st.none() | st.dictionaries(
    st.text(st.sampled_from("ab=,\x00é"), max_size=3),
    st.text(st.sampled_from("ab=,\x00é"), max_size=3),
    max_size=3,
)


@settings(max_examples=200, deadline=None)
@given(sealed=CONTEXTS, offered=CONTEXTS)
def test_a_ciphertext_opens_for_its_own_context_and_for_no_other(
    sealed: dict[str, str] | None, offered: dict[str, str] | None
) -> None:
    for header, make, take in (data, wrapped):
        whole = header + make(KEY, header, PLAINTEXT, canonical_bytes(sealed))
        context = canonical_bytes(offered)
        if (sealed or {}) == (offered or {}):
            assert take(KEY, header, whole[HEADER_BYTES:], context) == PLAINTEXT
        else:
            assert message_of(take, KEY, whole, context) == CONTEXT_MISMATCH
