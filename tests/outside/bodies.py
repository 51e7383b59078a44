"""Bodies that are no request, by what is wrong with them. Each comes from a body that is one."""

from __future__ import annotations

import codecs
import gzip
import json
import random
from collections.abc import Iterator
from typing import Any

DIGITS = b"9" * 5_000
KIB = 1024

# One value of every type that JSON has, and some that are nearly another.
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 256.0, 10**400, "256", "\ud800", "\0"),
    *([], [[]], [1], {"a": 1}, ["AES"], {"": None}),
)


def hostile(sound: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield (what is wrong, the bytes). `sound` is accepted as it is."""
    text = json.dumps(sound).encode()
    yield from _other_encodings(text)
    yield from _broken_text(text)
    yield from _broken_grammar(text)
    yield from _numbers(text)
    yield from _deep(text)
    yield from _large(text)
    yield from _twice(sound)
    yield from _wrong_types(sound)
    yield from _no_json()
    for cut in range(1, len(text)):
        yield f"cut after {cut} bytes", text[:cut]


def noise(count: int, seed: int) -> Iterator[bytes]:
    """Yield random bytes, the same each time."""
    dice = random.Random(seed)
    for _ in range(count):
        yield dice.randbytes(dice.randint(1, 400))


def _other_encodings(text: bytes) -> Iterator[tuple[str, bytes]]:
    yield "UTF-8 with a BOM", codecs.BOM_UTF8 + text
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "cp037"):
        yield encoding, text.decode().encode(encoding)
    yield "gzip", gzip.compress(text, mtime=0)


def _broken_text(text: bytes) -> Iterator[tuple[str, bytes]]:
    wrong = {
        "a lone continuation byte": b"\x80",
        "a byte that UTF-8 does not have": b"\xff",
        "an overlong slash": b"\xc0\xaf",
        "an overlong NUL": b"\xc0\x80",
        "a surrogate in UTF-8": b"\xed\xa0\x80",
        "above the last code point": b"\xf4\x90\x80\x80",
        "a cut sequence": b"\xe2\x82",
        "a raw NUL": b"\0",
        "a raw line break": b"\n",
        "a raw escape": b"\x1b",
        "an unknown escape": b"\\x41",
        "a short escape": b"\\u12",
        "an escaped NUL": b"\\u0000",
        "a lone high surrogate": b"\\ud800",
        "a lone low surrogate": b"\\udc00",
        "surrogates the wrong way round": b"\\udc00\\ud800",
    }
    quote = text.index(b'": "') + 4
    for what, inserted in wrong.items():
        yield f"{what} in a value", text[:quote] + inserted + text[quote:]
        yield f"{what} in a name", text[:2] + inserted + text[2:]


def _broken_grammar(text: bytes) -> Iterator[tuple[str, bytes]]:
    yield "a comma at the end", text[:-1] + b",}"
    yield "two values", text + text
    yield "something after it", text + b"x"
    yield "NUL after it", text + b"\0"
    yield "a comment", b"/* */" + text
    yield "single quotes", text.replace(b'"', b"'")
    yield "no quotes", text.replace(b'"', b"")
    yield "a value missing", text[:-1] + b',"extra":}'
    yield "an unknown field", text[:-1] + b',"extra":1}'
    yield "a prototype", text[:-1] + b',"__proto__":{}}'
    yield "in an array", b"[" + text + b"]"
    yield "an event stream", b"data: " + text + b"\n\n"


def _numbers(text: bytes) -> Iterator[tuple[str, bytes]]:
    wrong = ("NaN", "Infinity", "-Infinity", "nan", "01", "+1", ".5", "1.", "0x10", "1e", "--1")
    for number in (*(each.encode() for each in wrong), b"1e999", b"-1e999", DIGITS, b"-" + DIGITS):
        yield f"the number {number[:12].decode()}", text[:-1] + b',"extra":' + number + b"}"
    for number in (b"NaN", b"1e999", DIGITS, b"0." + DIGITS, b"1e" + DIGITS, b"-0", b"256.0"):
        yield f"the number {number[:12].decode()} in place of all", number


def _deep(text: bytes) -> Iterator[tuple[str, bytes]]:
    for depth in (100, 1_000, 60_000):
        yield f"{depth} arrays", b"[" * depth + b"]" * depth
        yield f"{depth} arrays, open", b"[" * depth
    for depth in (100, 1_000, 10_000):
        inner = b'{"a":' * depth + b"1" + b"}" * depth
        yield f"{depth} objects", inner
        yield f"{depth} objects in a field", text[:-1] + b',"extra":' + inner + b"}"


def _large(text: bytes) -> Iterator[tuple[str, bytes]]:
    yield "an array of 60,000", b"[" + b"0," * 60_000 + b"0]"
    yield "60,000 members", b"{" + b",".join([b'"a":0'] * 20_000) + b"}"
    yield "a long name", b'{"' + b"a" * 100 * KIB + b'":1}'
    yield "much white space, then nothing", b" " * 120 * KIB
    yield "too long", text[:-1] + b" " * 200 * KIB + b"}"
    yield "far too long", text[:-1] + b" " * 900 * KIB + b"}"


def _twice(sound: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    members = json.dumps(sound)[1:-1]
    for name, value in sound.items():
        again = json.dumps({name: value})[1:-1]
        yield f"{name} twice", f"{{{members}, {again}}}".encode()
        if isinstance(value, dict):
            around = json.dumps({**sound, name: None}).encode()
            yield from ((what, around.replace(b"null", inner)) for what, inner in _twice(value))


def _wrong_types(sound: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    for name, value in sound.items():
        for other in VALUES:
            if not (isinstance(value, str) and other == "256"):
                yield f"{name} is {str(other)[:10]!a}", json.dumps({**sound, name: other}).encode()
        if isinstance(value, dict):
            for what, inner in _wrong_types(value):
                yield what, json.dumps({**sound, name: json.loads(inner)}).encode()


def _no_json() -> Iterator[tuple[str, bytes]]:
    yield "white space", b" \r\n\t"
    yield "a form", b"spec=AES&name=x"
    yield (
        "a multipart form",
        b'--x\r\nContent-Disposition: form-data; name="spec"\r\n\r\n{}\r\n--x--',
    )
    yield "XML", b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaa">]><x>&a;&a;&a;</x>'
    yield "YAML", b"spec: &a [*a, *a]\n"
    yield "MessagePack", b"\x81\xa4spec\x81\xa4name\xa1x"
    yield "CBOR", b"\xa1\x64spec\xa1\x64name\x61x"
    yield "pickle", b"\x80\x04}\x94."
    yield "HTTP", b"GET / HTTP/1.1\r\n\r\n"
    for scalar in (b"null", b"true", b"0", b'"x"', b"[]", b"{}"):
        yield scalar.decode(), scalar
