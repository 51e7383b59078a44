"""Requests and answers of the operations, in the kernel's own spelling: bytes, enums, Secrets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from aegis_kernel.domain.ciphertext import CiphertextFormat
from aegis_kernel.domain.key import Key, KeyId
from aegis_kernel.domain.rotation import RotationPolicy
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.signature import MessageType, SignatureFormat
from aegis_kernel.domain.spec import (
    Algorithm,
    KeySpec,
    SignatureAlgorithm,
    WrapFormat,
)


class _Message(msgspec.Struct, frozen=True, gc=False):
    pass


# ---- requests ---------------------------------------------------------------------------------


class CreateKey(_Message, frozen=True, kw_only=True):
    spec: KeySpec
    root_of_trust: str | None = None
    tags: Mapping[str, str] = {}
    description: str | None = None
    published: bool = False


class GetKey(_Message, frozen=True):
    pass


class ListKeys(_Message, frozen=True, kw_only=True):
    """`tag` is "key" or "key=value"; `cursor` comes from the page before; `limit` is 1 to 500."""

    state: str | None = None
    name: str | None = None
    algorithm: Algorithm | None = None
    tag: str | None = None
    limit: int = 50
    cursor: str | None = None


class Transition(_Message, frozen=True):
    """Activate, deactivate, disable, enable, cancel destruction."""

    reason: str | None = None


class Compromise(_Message, frozen=True):
    reason: str


class ScheduleDestruction(_Message, frozen=True):
    """Destroy after `pending_days`; None takes the configured default."""

    pending_days: int | None = None


class Rotate(_Message, frozen=True):
    reason: str | None = None
    root_of_trust: str | None = None


class CompromiseVersion(_Message, frozen=True):
    version: int
    reason: str


class Update(_Message, frozen=True, kw_only=True):
    """What is unset stays as it is; None clears; `tags` replaces all tags."""

    tags: Mapping[str, str] | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    rotation_policy: RotationPolicy | UnsetType | None = UNSET


class SetAlias(_Message, frozen=True):
    """Let the alias called `name` name the key that the request is for."""

    name: str


class DeleteAlias(_Message, frozen=True):
    name: str


class ListAliases(_Message, frozen=True, kw_only=True):
    """`cursor` comes from the page before; `limit` is 1 to 500."""

    limit: int = 50
    cursor: str | None = None


class ListVersions(_Message, frozen=True):
    pass


class Sign(_Message, frozen=True):
    algorithm: SignatureAlgorithm
    message: bytes
    message_type: MessageType = MessageType.RAW
    signature_format: SignatureFormat = SignatureFormat.DER


class Verify(_Message, frozen=True):
    algorithm: SignatureAlgorithm
    message: bytes
    signature: bytes
    key_version: int | None = None
    message_type: MessageType = MessageType.RAW
    signature_format: SignatureFormat = SignatureFormat.DER


class Encrypt(_Message, frozen=True):
    plaintext: Secret
    context: Mapping[str, str] | None = None


class Decrypt(_Message, frozen=True):
    """`key_version` goes with a RAW ciphertext, which does not name its version itself."""

    ciphertext: bytes
    context: Mapping[str, str] | None = None
    format: CiphertextFormat = CiphertextFormat.AEGIS
    key_version: int | None = None


class Wrap(_Message, frozen=True):
    """`key_bytes` is 16 to 4096 bytes. A `format` takes no context."""

    key_bytes: Secret
    context: Mapping[str, str] | None = None
    format: WrapFormat | None = None


class Unwrap(_Message, frozen=True):
    """`key_version` only goes with a `format`: our own has a header that names it."""

    wrapped: bytes
    context: Mapping[str, str] | None = None
    format: WrapFormat | None = None
    key_version: int | None = None


# ---- answers (a transition, create, rotate and get answer with a KeyAnswer) ---------------------


class Usage(_Message, frozen=True):
    """How often a key protected and processed, and when it last did."""

    protect: int
    process: int
    last_used_at: datetime


class KeyDetails(_Message, frozen=True):
    """What a key's own stream does not tell of it."""

    aliases: tuple[str, ...] = ()
    usage: Usage | None = None


class KeyAnswer(_Message, frozen=True):
    """A key, and the sequence of its stream at which it was so. Only get gives `details`."""

    key: Key
    sequence: int
    details: KeyDetails = KeyDetails()


class NamedKey(_Message, frozen=True):
    """An alias's name, and the key that it names."""

    name: str
    key_id: KeyId


class AliasList(_Message, frozen=True):
    aliases: tuple[NamedKey, ...]
    next_cursor: str | None


class KeyList(_Message, frozen=True):
    keys: tuple[Key, ...]
    next_cursor: str | None


class Signed(_Message, frozen=True):
    signature: bytes
    algorithm: str
    key_version: int


class Verified(_Message, frozen=True):
    """`key_version` is the version that made the signature, None when it is not valid."""

    valid: bool
    algorithm: str
    key_version: int | None


class Encrypted(_Message, frozen=True):
    """Also the answer to wrap."""

    ciphertext: bytes
    algorithm: str
    key_version: int


class Decrypted(_Message, frozen=True):
    """Also the answer to unwrap."""

    plaintext: Secret
    algorithm: str
    key_version: int
