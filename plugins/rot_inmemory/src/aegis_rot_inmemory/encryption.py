"""Public-key encryption: RSA-OAEP and HPKE, each a suite of its own.

    suite  bytes before the ciphertext        the ciphertext
    2      25 header                          RSA-OAEP, SHA-256, MGF1-SHA-256 (RFC 8017 §7.1); label = header
    3      25 header, 65 enc                  HPKE (RFC 9180): DHKEM(P-256), HKDF-SHA256, AES-256-GCM
    4      25 header, 97 enc                  DHKEM(P-384), HKDF-SHA384, AES-256-GCM
    5      25 header, 133 enc                 DHKEM(P-521), HKDF-SHA512, AES-256-GCM
    6      25 header, 1120 enc                MLKEM768-X25519 (X-Wing, KEM 647A), HKDF-SHA256, AES-256-GCM
    7      25 header, 1665 enc                MLKEM1024-P384 (KEM 0051), HKDF-SHA384, AES-256-GCM

HPKE is base mode, single shot, empty AAD; info = header. Suites 8 and 9 are in `encapsulation.py`.
A ciphertext from outside has neither header nor label nor info, and begins with HPKE's enc.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from aegis_kernel import (
    HEADER_BYTES,
    NOT_AUTHENTIC,
    DecryptionFailedError,
    EncryptionAlgorithm,
    Suite,
)


class _Parts(msgspec.Struct, frozen=True):
    """What makes an HPKE suite, and whether it takes more than 100 µs."""

    number: int
    kem: hpke.KEM
    kdf: hpke.KDF
    is_slow: bool = False


_HPKE: Mapping[EncryptionAlgorithm, _Parts] = {
    EncryptionAlgorithm.HPKE_P256: _Parts(3, hpke.KEM.P256, hpke.KDF.HKDF_SHA256),
    EncryptionAlgorithm.HPKE_P384: _Parts(4, hpke.KEM.P384, hpke.KDF.HKDF_SHA384, True),
    EncryptionAlgorithm.HPKE_P521: _Parts(5, hpke.KEM.P521, hpke.KDF.HKDF_SHA512, True),
    EncryptionAlgorithm.HPKE_ML_KEM_768_X25519: _Parts(
        6, hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256
    ),
    EncryptionAlgorithm.HPKE_ML_KEM_1024_P384: _Parts(
        7, hpke.KEM.MLKEM1024_P384, hpke.KDF.HKDF_SHA384, True
    ),
}


class Encryption(Protocol):
    """A key pair that encrypts with its public half. `label` is bound: it decrypts under no other."""

    suite: Suite
    is_encrypting_slow: bool
    is_decrypting_slow: bool

    def encrypt(self, plaintext: bytes, label: bytes) -> bytes:
        """Return what follows the header."""
        ...

    def decrypt(self, ciphertext: bytes, label: bytes) -> bytes:
        """Return the plaintext.

        Raises DecryptionFailedError, which is the same for every cause: an answer that told one
        from another would decrypt for whoever asks often enough.
        """
        ...


def encryption_of(algorithm: EncryptionAlgorithm, private: Any) -> Encryption:
    """Return what `algorithm` does with this private key, which must be of its kind."""
    if algorithm is EncryptionAlgorithm.RSA_OAEP_SHA256:
        return _Oaep(private)
    return _Hpke(_HPKE[algorithm], private)


class _Oaep:
    is_encrypting_slow = False
    is_decrypting_slow = True

    def __init__(self, private: rsa.RSAPrivateKey) -> None:
        self.suite = Suite(2, HEADER_BYTES)
        self._private = private
        self._public = private.public_key()

    def encrypt(self, plaintext: bytes, label: bytes) -> bytes:
        return self._public.encrypt(plaintext, _oaep(label))

    def decrypt(self, ciphertext: bytes, label: bytes) -> bytes:
        try:
            return self._private.decrypt(ciphertext, _oaep(label))
        except ValueError:
            raise _failed() from None


class _Hpke:
    def __init__(self, parts: _Parts, private: Any) -> None:
        self.suite = Suite(parts.number, HEADER_BYTES + parts.kem.enc_length())
        self.is_encrypting_slow = self.is_decrypting_slow = parts.is_slow
        self._hpke = hpke.Suite(parts.kem, parts.kdf, hpke.AEAD.AES_256_GCM)
        self._private = private
        self._public = private.public_key()

    def encrypt(self, plaintext: bytes, label: bytes) -> bytes:
        return self._hpke.encrypt(plaintext, self._public, label)

    def decrypt(self, ciphertext: bytes, label: bytes) -> bytes:
        try:
            return self._hpke.decrypt(ciphertext, self._private, label)
        except InvalidTag:
            raise _failed() from None


def _oaep(label: bytes) -> padding.OAEP:
    return padding.OAEP(padding.MGF1(SHA256()), SHA256(), label)


def _failed() -> DecryptionFailedError:
    return DecryptionFailedError(NOT_AUTHENTIC, reason="public-key decryption failed")
