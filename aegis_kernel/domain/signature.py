"""How a message and its signature travel: hashed already or not, and in which form."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.spec import SignatureAlgorithm


class MessageType(StrEnum):
    """RAW is hashed here; DIGEST is what the algorithm's own hash has already made of it."""

    RAW = "RAW"
    DIGEST = "DIGEST"


class SignatureFormat(StrEnum):
    """The two forms of an ECDSA signature; other signatures have one form and no choice.

    DER is RFC 3279 §2.2.3; P1363 is r ‖ s, each as long as the curve's order (IEEE 1363 §E.3.1).
    """

    DER = "DER"
    P1363 = "P1363"


_HASH_BYTES: Mapping[str, int] = {"Sha256": 32, "Sha384": 48, "Sha512": 64}

# Ed25519, Ed448 and ML-DSA hash inside, with a prefix of their own: a digest of the message is no
# input to them, and their pre-hash variants are other algorithms.
DIGEST_BYTES: Mapping[SignatureAlgorithm, int] = MappingProxyType(
    {a: _HASH_BYTES[a[-6:]] for a in SignatureAlgorithm if a[-6:] in _HASH_BYTES}
)

ECDSA = frozenset(a for a in SignatureAlgorithm if a.startswith("Ecdsa"))


def require_form(
    algorithm: SignatureAlgorithm,
    message: bytes,
    prehashed: bool,
    signature_format: SignatureFormat,
) -> None:
    """Raise BadRequestError unless `algorithm` can take the message and give the signature so.

    A digest must be exactly as long as the algorithm's hash.
    """
    if signature_format is SignatureFormat.P1363 and algorithm not in ECDSA:
        raise BadRequestError(f"signatureFormat P1363 is for ECDSA, not for {algorithm}")
    if not prehashed:
        return
    length = DIGEST_BYTES.get(algorithm)
    if length is None:
        raise BadRequestError(f"{algorithm} signs messages, not digests; leave messageType RAW")
    if len(message) != length:
        raise BadRequestError(f"A DIGEST for {algorithm} has {length} bytes, not {len(message)}")
