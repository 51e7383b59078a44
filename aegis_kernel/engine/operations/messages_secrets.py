"""Requests and answers of data keys, re-encryption, MACs, key agreement and random bytes."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from aegis_kernel.domain.alias import Alias
from aegis_kernel.domain.key import Key, KeyId
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import AgreementAlgorithm, KeySpec, MacAlgorithm


class _Message(msgspec.Struct, frozen=True, gc=False):
    pass


# ---- requests ---------------------------------------------------------------------------------


class GenerateDataKey(_Message, frozen=True):
    """`size_bits` is one of DATA_KEY_SIZES_BITS."""

    size_bits: int
    context: Mapping[str, str] | None = None


class GenerateDataKeyPair(_Message, frozen=True):
    """`spec` is of an asymmetric algorithm; its name goes nowhere."""

    spec: KeySpec
    context: Mapping[str, str] | None = None


class Mac(_Message, frozen=True):
    algorithm: MacAlgorithm
    message: bytes


class VerifyMac(_Message, frozen=True):
    algorithm: MacAlgorithm
    message: bytes
    mac: bytes
    key_version: int | None = None


class Derive(_Message, frozen=True):
    """`peer` is the other side's DER SubjectPublicKeyInfo; `size_bits` is 128 to 512, in bytes."""

    algorithm: AgreementAlgorithm
    peer: bytes
    size_bits: int
    info: bytes = b""


class Random(_Message, frozen=True):
    """`size_bytes` is 1 to 1024."""

    size_bytes: int


class ReEncrypt(_Message, frozen=True, kw_only=True):
    """`ciphertext` was made by encrypt or by wrap. The pipeline puts the `destination` in."""

    ciphertext: bytes
    destination_key_id: KeyId | Alias
    context: Mapping[str, str] | None = None
    destination_context: Mapping[str, str] | None = None
    destination: Key | None = None


# ---- answers ----------------------------------------------------------------------------------


class DataKey(_Message, frozen=True):
    """`plaintext` is None where only the wrapped key was asked for; `public` is DER, of pairs."""

    wrapped: bytes
    algorithm: str
    key_version: int
    plaintext: Secret | None = None
    public: bytes | None = None


class Maced(_Message, frozen=True):
    mac: bytes
    algorithm: str
    key_version: int


class Derived(_Message, frozen=True):
    secret: Secret
    key_version: int


class RandomBytes(_Message, frozen=True):
    value: Secret


class ReEncrypted(_Message, frozen=True):
    """`key_id` and `key_version` are the destination's."""

    ciphertext: bytes
    key_id: KeyId
    algorithm: str
    key_version: int
