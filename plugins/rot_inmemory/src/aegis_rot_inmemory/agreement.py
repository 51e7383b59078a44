"""ECDH and HKDF: what two keys agree on, of which only the derived secret is ever handed out."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_der_public_key

from aegis_kernel import AgreementAlgorithm, BadRequestError, Secret

_HASHES: Mapping[AgreementAlgorithm, HashAlgorithm] = {
    AgreementAlgorithm.ECDH_HKDF_SHA256: SHA256(),
    AgreementAlgorithm.ECDH_HKDF_SHA384: SHA384(),
    AgreementAlgorithm.ECDH_HKDF_SHA512: SHA512(),
}


def agree(
    private: ec.EllipticCurvePrivateKey,
    algorithm: AgreementAlgorithm,
    peer: bytes,
    info: bytes,
    length_bytes: int,
) -> Secret:
    """Return HKDF (RFC 5869, no salt) over the ECDH secret. Slow beside P-256: use a thread.

    Raises BadRequestError unless `peer` is the DER of a point on the private key's curve.
    """
    shared = private.exchange(ec.ECDH(), _point(peer, private.curve))
    return Secret(expand(algorithm, shared, info, length_bytes))


def expand(algorithm: AgreementAlgorithm, shared: bytes, info: bytes, length_bytes: int) -> bytes:
    """Return HKDF (RFC 5869, no salt) over a shared secret."""
    return HKDF(_HASHES[algorithm], length_bytes, None, info).derive(shared)


def _point(peer: bytes, curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    # The library refuses what is not on its curve, and the point at infinity (SP 800-56A §5.6.2.3.3).
    try:
        public = load_der_public_key(peer)
    except (ValueError, UnsupportedAlgorithm):
        raise BadRequestError("The peer's public key is not a valid one") from None
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != curve.name:
        raise BadRequestError("The peer's public key is on another curve")
    return public
