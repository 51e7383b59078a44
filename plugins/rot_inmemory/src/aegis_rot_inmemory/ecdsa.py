"""The two forms of an ECDSA signature; the library reads and writes both numbers."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurve
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)


def to_p1363(der: bytes, curve: EllipticCurve) -> bytes:
    """Return r ‖ s of a signature on `curve`, each as many bytes as the curve's order has."""
    size = _number_bytes(curve)
    return b"".join(number.to_bytes(size, "big") for number in decode_dss_signature(der))


def from_p1363(signature: bytes, curve: EllipticCurve) -> bytes | None:
    """Return the DER form, or None unless `signature` has exactly the length for `curve`."""
    size = _number_bytes(curve)
    if len(signature) != 2 * size:
        return None
    r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
    return encode_dss_signature(r, s)


def _number_bytes(curve: EllipticCurve) -> int:
    # The orders of all curves here have as many bits as their fields.
    return -(-curve.key_size // 8)
