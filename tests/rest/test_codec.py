"""The codec, against slow and obvious oracles."""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode, b64encode
from contextlib import suppress
from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.rest.codec import (
    CANONICAL_BASE64,
    Base64,
    BodyDecoder,
    count_members,
    decode_special,
)
from aegis_kernel.rest.schemas_crypto import EncryptRequest
from aegis_kernel.rest.schemas_keys import CreateKeyRequest

ENCRYPT = BodyDecoder(EncryptRequest)
CREATE = BodyDecoder(CreateKeyRequest)

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def accepts(text: str) -> bool:
    try:
        return bytes(decode_special(Base64, text)) == b64decode(text)
    except ValueError:
        return False


def is_the_one_spelling(text: str) -> bool:
    try:
        return b64encode(b64decode(text, validate=True)).decode() == text
    except (binascii.Error, ValueError):
        return False


@given(st.binary(max_size=200))
def test_every_value_has_a_spelling(raw: bytes) -> None:
    assert decode_special(Base64, b64encode(raw).decode()) == raw


@given(st.text(alphabet=f"{ALPHABET}=-_ \n", max_size=12) | st.text(max_size=12))
def test_only_the_one_spelling_is_accepted(text: str) -> None:
    assert accepts(text) == is_the_one_spelling(text)


def test_of_all_short_texts_only_the_one_spelling_is_accepted() -> None:
    texts = ["".join(letters) for n in range(10) for letters in product("AB=", repeat=n)]
    assert len(texts) == 29_524
    for text in texts:
        assert accepts(text) == is_the_one_spelling(text), text
        assert accepts(text) == bool(re.fullmatch(CANONICAL_BASE64, text)), text


@pytest.mark.parametrize("raw", [b"a", b"ab", b"hello", b"\xff" * 31])
def test_no_other_last_character_means_the_same(raw: bytes) -> None:
    spelling = b64encode(raw).decode()
    body, padding = spelling.rstrip("="), spelling[len(spelling.rstrip("=")) :]
    others = [body[:-1] + letter + padding for letter in ALPHABET if letter != body[-1]]
    same = [text for text in others if b64decode(text) == raw]
    assert same, "the lax decoder takes other spellings"
    assert not any(accepts(text) for text in same)


@given(st.text(alphabet=f"{ALPHABET}=", max_size=12))
def test_the_documented_pattern_is_the_codec(text: str) -> None:
    assert bool(re.fullmatch(CANONICAL_BASE64, text)) == accepts(text)


def test_bytes_that_travel_are_not_printed() -> None:
    value = ENCRYPT.decode(b'{"plaintextBase64":"c2VjcmV0"}')
    assert value.plaintext_base64 == b"secret"
    for shown in (
        repr(value),
        str(value),
        f"{value.plaintext_base64}",
        repr(value.plaintext_base64),
    ):
        assert "secret" not in shown


# Texts that make colons, escapes, braces and quotes where a lazy scanner would trip.
TEXTS = st.text(alphabet='ab:"\\{},\u00e9\U0001f600', max_size=5)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=6), st.booleans(), st.booleans())
def test_duplicates_are_found_exactly(
    pairs: list[tuple[str, str]], escape: bool, repeat_context: bool
) -> None:
    members = ",".join(
        f"{json.dumps(name, ensure_ascii=escape)} : {json.dumps(value, ensure_ascii=not escape)}"
        for name, value in pairs
    )
    context = f'"context":{{{members}}}'
    body = f'{{"plaintextBase64":"aGk=",{context}{"," + context if repeat_context else ""}}}'
    has_duplicates = len({name for name, _ in pairs}) != len(pairs) or repeat_context
    if has_duplicates:
        with pytest.raises(BadRequestError, match="twice"):
            ENCRYPT.decode(body.encode())
    else:
        assert ENCRYPT.decode(body.encode()).context == dict(pairs)


@pytest.mark.parametrize(
    ("decoder", "body"),
    [
        (ENCRYPT, b'{"plaintextBase64":"aGk=","context":{"tenant":"acme","dataset":"q2"}}'),
        (CREATE, b'{"spec":{"name":"a","algorithm":"AES","sizeBits":256},"tags":{"team":"pay"}}'),
    ],
)
def test_an_ordinary_body_needs_no_second_look(decoder: Any, body: bytes) -> None:
    assert count_members(decoder.decode(body)) == body.count(b":")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
        lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
        max_leaves=8,
    )
)
def test_any_json_is_a_value_or_a_refusal(value: Any) -> None:
    for decoder in (ENCRYPT, CREATE):
        with pytest.raises(BadRequestError):
            decoder.decode(json.dumps({"spec": value, "plaintextBase64": value}).encode())


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_refusal(noise: bytes) -> None:
    for body in (
        noise,
        b'{"plaintextBase64":"' + noise,
        b'{"plaintextBase64":"aGk=","context":' + noise,
    ):
        with suppress(BadRequestError):
            ENCRYPT.decode(body)


@given(TEXTS)
def test_nul_is_refused_wherever_it_stands_and_nothing_else_for_it(text: str) -> None:
    harmless = {"plaintextBase64": "aGk=", "context": {"a": f"{text}\\u0000"}}
    assert ENCRYPT.decode(json.dumps(harmless).encode()).context == harmless["context"]
    for context in ({"a": f"{text}\0"}, {f"\0{text}": "a"}):
        with pytest.raises(BadRequestError, match="NUL"):
            ENCRYPT.decode(json.dumps(harmless | {"context": context}).encode())


def test_an_optional_field_with_a_default_would_blind_the_check_for_duplicates() -> None:
    class Blind(msgspec.Struct):
        size: int = 1

    class Seeing(msgspec.Struct):
        size: int | UnsetType = UNSET

    BodyDecoder(Seeing)
    with pytest.raises(TypeError, match="UNSET"):
        BodyDecoder(Blind)
