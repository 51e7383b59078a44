"""What signs and verifies: RSA, ECDSA, EdDSA and ML-DSA keys that our own seal has vouched for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from aegis_kernel import SignatureAlgorithm, SignatureFormat, require_form
from aegis_rot_inmemory.ecdsa import from_p1363, to_p1363
from aegis_rot_inmemory.private_keys import encode_public, load

_PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
)


def _pss(hashing: HashAlgorithm) -> padding.PSS:
    # A salt as long as the hash (FIPS 186-5 §5.4), also when verifying: AUTO would accept any.
    return padding.PSS(padding.MGF1(hashing), salt_length=hashing.digest_size)


def _prehashed(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    *before, last = arguments
    if isinstance(last, ec.ECDSA):
        assert isinstance(last.algorithm, HashAlgorithm)  # the tables below say so
        return (ec.ECDSA(Prehashed(last.algorithm)),)
    return (*before, Prehashed(last))


# What the library wants to know beside the message.
_HASHING: Mapping[SignatureAlgorithm, tuple[Any, ...]] = {
    SignatureAlgorithm.RSA_PSS_SHA256: (_pss(SHA256()), SHA256()),
    SignatureAlgorithm.RSA_PSS_SHA384: (_pss(SHA384()), SHA384()),
    SignatureAlgorithm.RSA_PSS_SHA512: (_pss(SHA512()), SHA512()),
    SignatureAlgorithm.RSA_PKCS1_SHA256: (padding.PKCS1v15(), SHA256()),
    SignatureAlgorithm.RSA_PKCS1_SHA384: (padding.PKCS1v15(), SHA384()),
    SignatureAlgorithm.RSA_PKCS1_SHA512: (padding.PKCS1v15(), SHA512()),
    SignatureAlgorithm.ECDSA_SHA256: (ec.ECDSA(SHA256()),),
    SignatureAlgorithm.ECDSA_SHA384: (ec.ECDSA(SHA384()),),
    SignatureAlgorithm.ECDSA_SHA512: (ec.ECDSA(SHA512()),),
}
_ARGUMENTS: Mapping[SignatureAlgorithm, tuple[Any, ...]] = {
    **_HASHING,
    SignatureAlgorithm.ED25519: (),
    SignatureAlgorithm.ED448: (),
    SignatureAlgorithm.ML_DSA_44: (),
    SignatureAlgorithm.ML_DSA_65: (),
    SignatureAlgorithm.ML_DSA_87: (),
}
_PREHASHED: Mapping[SignatureAlgorithm, tuple[Any, ...]] = {
    algorithm: _prehashed(_HASHING[algorithm]) for algorithm in _HASHING
}


class Verifier:
    """A public key and the algorithms that it is used with, and no others."""

    def __init__(self, public: Any, algorithms: frozenset[SignatureAlgorithm]) -> None:
        self.algorithms = algorithms
        self._public = public
        self._verify: Callable[..., None] = public.verify

    @classmethod
    def load(cls, der: bytes, algorithms: frozenset[SignatureAlgorithm]) -> Verifier:
        """Return the verifier of a public key that our own seal has just authenticated."""
        return Verifier(load_der_public_key(der), algorithms)

    def verify(
        self,
        algorithm: SignatureAlgorithm,
        message: bytes,
        signature: bytes,
        prehashed: bool = False,
        signature_format: SignatureFormat = SignatureFormat.DER,
    ) -> bool:
        """Return whether this key made `signature`; a malformed one is False, no error."""
        require_form(algorithm, message, prehashed, signature_format)
        der: bytes | None = signature
        if signature_format is SignatureFormat.P1363:
            der = from_p1363(signature, self._curve())
        if der is None:
            return False
        try:
            self._verify(der, message, *_arguments(algorithm, prehashed))
        except InvalidSignature:
            return False
        return True

    def public_key(self) -> bytes:
        """Return the DER SubjectPublicKeyInfo (RFC 5280 §4.1)."""
        return encode_public(self._public)

    def _curve(self) -> ec.EllipticCurve:
        assert isinstance(self._public, ec.EllipticCurvePublicKey)  # P1363 is for ECDSA only
        return self._public.curve


class Signer(Verifier):
    """A private key and the algorithms that it is used with, and no others.

    `agreeing_key` is the private key itself if it is one of EC, which derives too. `is_slow` says
    that a signature takes more than 100 µs and belongs in a thread. Verifying never does.
    """

    def __init__(self, private: _PrivateKey, algorithms: frozenset[SignatureAlgorithm]) -> None:
        super().__init__(private.public_key(), algorithms)
        self.is_slow = _is_slow(private)
        self.agreeing_key = private if isinstance(private, ec.EllipticCurvePrivateKey) else None
        self._sign: Callable[..., bytes] = private.sign

    @classmethod
    def load(cls, der: bytes, algorithms: frozenset[SignatureAlgorithm]) -> Signer:
        """Return the signer of a PKCS #8 key that our own seal has just authenticated."""
        private = load(der)
        assert isinstance(private, _PrivateKey)  # nothing else is ever sealed
        return cls(private, algorithms)

    def sign(
        self,
        algorithm: SignatureAlgorithm,
        message: bytes,
        prehashed: bool = False,
        signature_format: SignatureFormat = SignatureFormat.DER,
    ) -> bytes:
        """Return the signature over `message`; `algorithm` is one of `algorithms`."""
        require_form(algorithm, message, prehashed, signature_format)
        signature = self._sign(message, *_arguments(algorithm, prehashed))
        if signature_format is SignatureFormat.P1363:
            return to_p1363(signature, self._curve())
        return signature


def _arguments(algorithm: SignatureAlgorithm, prehashed: bool) -> tuple[Any, ...]:
    return _PREHASHED[algorithm] if prehashed else _ARGUMENTS[algorithm]


def _is_slow(private: _PrivateKey) -> bool:
    # OpenSSL has fast code for P-256 and Ed25519: 22 and 28 µs, where the others take 145 and more.
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return not isinstance(private.curve, ec.SECP256R1)
    return not isinstance(private, ed25519.Ed25519PrivateKey)
