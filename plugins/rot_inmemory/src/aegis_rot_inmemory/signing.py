"""What signs and verifies: RSA, ECDSA and EdDSA private keys that our own seal has vouched for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
)

from aegis_kernel import SignatureAlgorithm

_PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)


def _pss(hashing: HashAlgorithm) -> tuple[padding.PSS, HashAlgorithm]:
    # A salt as long as the hash (FIPS 186-5 §5.4), also when verifying: AUTO would accept any.
    return padding.PSS(padding.MGF1(hashing), salt_length=hashing.digest_size), hashing


# What the library wants to know beside the message.
_ARGUMENTS: Mapping[SignatureAlgorithm, tuple[Any, ...]] = {
    SignatureAlgorithm.RSA_PSS_SHA256: _pss(SHA256()),
    SignatureAlgorithm.RSA_PSS_SHA384: _pss(SHA384()),
    SignatureAlgorithm.RSA_PSS_SHA512: _pss(SHA512()),
    SignatureAlgorithm.RSA_PKCS1_SHA256: (padding.PKCS1v15(), SHA256()),
    SignatureAlgorithm.RSA_PKCS1_SHA384: (padding.PKCS1v15(), SHA384()),
    SignatureAlgorithm.RSA_PKCS1_SHA512: (padding.PKCS1v15(), SHA512()),
    SignatureAlgorithm.ECDSA_SHA256: (ec.ECDSA(SHA256()),),
    SignatureAlgorithm.ECDSA_SHA384: (ec.ECDSA(SHA384()),),
    SignatureAlgorithm.ECDSA_SHA512: (ec.ECDSA(SHA512()),),
    SignatureAlgorithm.ED25519: (),
    SignatureAlgorithm.ED448: (),
}


class Signer:
    """A private key and the algorithms that it is used with, and no others.

    `agreeing_key` is the private key itself if it is one of EC, which derives too. `is_slow` says that a signature takes more than 100 µs and belongs in a thread. Verifying never
    does.
    """

    def __init__(self, private: _PrivateKey, algorithms: frozenset[SignatureAlgorithm]) -> None:
        self.algorithms = algorithms
        self.is_slow = _is_slow(private)
        self.agreeing_key = private if isinstance(private, ec.EllipticCurvePrivateKey) else None
        self._public = private.public_key()
        self._sign: Callable[..., bytes] = private.sign
        self._verify: Callable[..., None] = self._public.verify

    @classmethod
    def load(cls, pkcs8: bytes, algorithms: frozenset[SignatureAlgorithm]) -> Signer:
        """Return the signer of a private key that our own seal has just authenticated.

        Such a key alone may skip the validation, which holds every thread for 32 to 235 ms.
        """
        private = load_der_private_key(pkcs8, None, unsafe_skip_rsa_key_validation=True)
        assert isinstance(private, _PrivateKey)  # nothing else is ever sealed
        return cls(private, algorithms)

    def sign(self, algorithm: SignatureAlgorithm, message: bytes) -> bytes:
        """Return the signature over `message`; `algorithm` is one of `algorithms`."""
        return self._sign(message, *_ARGUMENTS[algorithm])

    def verify(self, algorithm: SignatureAlgorithm, message: bytes, signature: bytes) -> bool:
        """Return whether this key made `signature`; a malformed one is False, no error."""
        try:
            self._verify(signature, message, *_ARGUMENTS[algorithm])
        except InvalidSignature:
            return False
        return True

    def public_key(self) -> bytes:
        """Return the DER SubjectPublicKeyInfo (RFC 5280 §4.1)."""
        return self._public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _is_slow(private: _PrivateKey) -> bool:
    # OpenSSL has fast code for P-256 and Ed25519: 22 and 28 µs, where the others take 145 and more.
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return not isinstance(private.curve, ec.SECP256R1)
    return not isinstance(private, ed25519.Ed25519PrivateKey)
