"""Public keys as callers send them: PEM (RFC 7468 §13) in, DER out."""

from __future__ import annotations

from binascii import Error, a2b_base64

from aegis_kernel.domain.errors import BadRequestError

_BEGIN = "-----BEGIN PUBLIC KEY-----"
_END = "-----END PUBLIC KEY-----"


def public_key_der(pem: str, field: str) -> bytes:
    """Return what stands between the two lines; whether it is a key is for the root of trust.

    Raises BadRequestError, which names `field`, for anything but one PEM block of a public key.
    """
    lines = [line.strip() for line in pem.strip().splitlines()]
    if len(lines) < 3 or lines[0] != _BEGIN or lines[-1] != _END:
        raise BadRequestError(f'{field} is a PEM block of the type "PUBLIC KEY" (RFC 7468)')
    try:
        return a2b_base64("".join(lines[1:-1]), strict_mode=True)
    except (Error, ValueError):
        raise BadRequestError(f"{field} does not hold base64") from None
