"""Strict JSON and base64: one spelling in, or BadRequest in our own words."""

from __future__ import annotations

import json
import re
from binascii import Error as BinasciiError
from binascii import a2b_base64, b2a_base64
from typing import Any, ClassVar, Generic, NoReturn, TypeVar

import msgspec
from msgspec import UNSET

from aegis_kernel.domain.errors import AegisError, BadRequestError, PayloadTooLargeError

Body = TypeVar("Body", bound=msgspec.Struct)

# An error text may quote what was sent, such as the name of an unknown field; not all of it.
MESSAGE_MAX_CHARACTERS = 300

_QUANTUM = "[A-Za-z0-9+/]"
CANONICAL_BASE64 = (
    f"^({_QUANTUM}{{4}})*({_QUANTUM}[AQgw]==|{_QUANTUM}{{2}}[AEIMQUYcgkosw048]=)?$"  # RFC 4648 §4
)

_AT_BYTE = re.compile(r"\(byte (\d+)\)$").search


class Base64(bytes):
    """Bytes that travel as canonical base64 (RFC 4648 §4, padded); their `repr` is redacted."""

    max_bytes: ClassVar[int] = 64 * 1024

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<{len(self)} bytes>)"

    __str__ = __repr__


class BodyDecoder(Generic[Body]):
    """Decodes JSON bodies of one type. Build it once; `decode` is the hot path.

    Every optional field of the type has the default UNSET, so that what a value holds is exactly
    what the body said.
    """

    def __init__(self, kind: type[Body]) -> None:
        fields = msgspec.structs.fields(kind)
        if any(not field.required and field.default is not UNSET for field in fields):
            raise TypeError(f"an optional field of {kind.__name__} has a default that is not UNSET")
        self._decoder = msgspec.json.Decoder(kind, dec_hook=decode_special)
        self._absent = None if any(field.required for field in fields) else kind()

    @property
    def is_optional(self) -> bool:
        """Whether no body at all is as good as an empty object."""
        return self._absent is not None

    def decode(self, body: bytes) -> Body:
        """Return the value of `body`.

        Raises BadRequestError for anything but exactly one JSON object of this type: unknown,
        missing or duplicate members, wrong types, invalid UTF-8, NUL in text, other base64; and
        PayloadTooLargeError for base64 of too many bytes.
        """
        if not body:
            if self._absent is None:
                raise BadRequestError("This request needs a JSON body")
            return self._absent
        try:
            value = self._decoder.decode(body)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise refusal(error, body) from None
        # Every member has a structural colon, and colons in text only add to them: as many colons
        # as members held means that no member came twice. Else the slow way decides, exactly.
        if body.count(b":") != count_members(value) or b"\\u0000" in body:
            json.loads(body, object_pairs_hook=_refuse_duplicates_and_nul)
        return value


def count_members(value: msgspec.Struct) -> int:
    """Return how many JSON members `value` was decoded from, those of nested objects included."""
    count = 0 if value.__struct_config__.tag is None else 1
    for name in value.__struct_fields__:
        held = getattr(value, name)
        if held is UNSET:
            continue
        count += 1
        if type(held) is dict:
            count += len(held)
        elif type(held) is list:
            count += sum([count_members(item) for item in held if isinstance(item, msgspec.Struct)])
        elif isinstance(held, msgspec.Struct):
            count += count_members(held)
    return count


def decode_special(kind: type[Any], text: Any) -> Any:
    """msgspec's dec_hook for Base64 and its subclasses."""
    if not issubclass(kind, Base64):
        raise NotImplementedError
    raw = _decode_canonical(text)
    if len(raw) > kind.max_bytes:
        raise _TooLongError(f"At most {kind.max_bytes} bytes")
    return kind(raw)


def encode_special(value: Any) -> str:
    """msgspec's enc_hook for Base64 and its subclasses."""
    if not isinstance(value, Base64):
        raise NotImplementedError
    return b2a_base64(value, newline=False).decode()


def schema_of_special(kind: type[Any]) -> dict[str, Any]:
    """msgspec's schema_hook for Base64 and its subclasses."""
    if not issubclass(kind, Base64):
        raise NotImplementedError
    return {
        "type": "string",
        "contentEncoding": "base64",
        "pattern": CANONICAL_BASE64,
        "maxLength": -(-kind.max_bytes // 3) * 4,
    }


def refusal(error: Exception, body: bytes = b"") -> AegisError:
    """Return the error to raise for what msgspec refused."""
    if not isinstance(error, msgspec.ValidationError):
        return BadRequestError(f"The body is not JSON in UTF-8{_place(str(error), body)}")
    text = str(error)
    if len(text) > MESSAGE_MAX_CHARACTERS:
        text = f"{text[:MESSAGE_MAX_CHARACTERS]}…"
    if isinstance(error.__cause__, _TooLongError):
        return PayloadTooLargeError(text)
    return BadRequestError(text)


class _TooLongError(ValueError):
    pass


def _decode_canonical(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError("Expected a string of base64")  # noqa: TRY004 - msgspec adds the path to it
    try:
        raw = a2b_base64(text, strict_mode=True)
    except (BinasciiError, ValueError):
        raise ValueError("Expected base64 (RFC 4648 §4, with padding)") from None
    # Strict mode lets unused bits be anything, and padding stand where none is needed.
    if text.endswith("=") and text[-4:] != _last_quantum(raw):
        raise ValueError("Expected canonical base64: unused bits zero, padding where needed")
    return raw


def _last_quantum(raw: bytes) -> str:
    return b2a_base64(raw[len(raw) // 3 * 3 :], newline=False).decode()


def _refuse_duplicates_and_nul(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        _refuse("The body has a member twice")
    for name, value in pairs:
        if "\0" in name or (isinstance(value, str) and "\0" in value):
            _refuse("Text must not contain NUL")


def _refuse(text: str) -> NoReturn:
    raise BadRequestError(text)


def _place(error: str, body: bytes) -> str:
    match = _AT_BYTE(error)
    if match is None:
        return ""
    position = int(match[1])
    if body[position : position + 1] in (b"\n", b"\r"):
        return f": a line break inside a string (byte {position}); `base64 -w0` makes one line"
    return f" (byte {position})"
