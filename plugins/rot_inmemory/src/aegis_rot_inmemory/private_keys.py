"""Private keys: out of the bytes that our own seal has vouched for, and the public half of them."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec, mlkem
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
)


def load(pkcs8: bytes) -> Any:
    """Return a private key that our own seal has just authenticated.

    Such a key alone may skip the validation, which holds every thread for 32 to 235 ms.
    """
    return load_der_private_key(pkcs8, None, unsafe_skip_rsa_key_validation=True)


def encode_public(public: Any) -> bytes:
    """Return the DER SubjectPublicKeyInfo (RFC 5280 §4.1)."""
    encoded: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


class Hybrid:
    """An ML-KEM key and a key on a curve, which HPKE uses as one."""

    def __init__(self, post_quantum: bytes, traditional: bytes) -> None:
        self._ml_kem = load(post_quantum)
        self._curve = load(traditional)
        self.private = _joined(self._ml_kem, self._curve)

    def public_key(self) -> bytes:
        """Return both public keys as the KEM encodes them: ML-KEM's first, no DER around them."""
        ml_kem, curve = self._ml_kem.public_key(), self._curve.public_key()
        if isinstance(curve, ec.EllipticCurvePublicKey):
            point = curve.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        else:
            point = curve.public_bytes_raw()
        return bytes(ml_kem.public_bytes_raw() + point)


def _joined(ml_kem: Any, curve: Any) -> Any:
    if isinstance(ml_kem, mlkem.MLKEM768PrivateKey):
        return hpke.MLKEM768X25519PrivateKey(ml_kem, curve)
    return hpke.MLKEM1024P384PrivateKey(ml_kem, curve)
