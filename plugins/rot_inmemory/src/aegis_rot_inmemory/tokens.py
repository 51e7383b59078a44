"""Import tokens: the private half of an RSA-4096 key, sealed for one key, its spec and an expiry."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from aegis_kernel import (
    BadRequestError,
    DecryptionFailedError,
    Header,
    Kind,
    Secret,
    TokenBinding,
    canonical_bytes,
)
from aegis_rot_inmemory.material import spec_name
from aegis_rot_inmemory.suite import SUITE, seal, unseal

_WRONG_TOKEN = "importToken is not one of this key; ask for a new one"  # noqa: S105 - a text


def seal_token(wrapping_key: Secret, binding: TokenBinding, pkcs8: Secret) -> Secret:
    """Return the token that opens for this very binding and for no other."""
    header = _header(binding)
    body = seal(wrapping_key.reveal(), header, pkcs8.reveal(), _context(binding))
    return Secret(header + body)


def open_token(wrapping_keys: Sequence[Secret], binding: TokenBinding, token: Secret) -> Secret:
    """Return the private key that `seal_token` sealed under one of the keys, as PKCS #8.

    Raises BadRequestError, always with the same text, for everything else: callers bring tokens.
    """
    header, sealed = _header(binding), token.reveal()
    context = _context(binding)
    if sealed.startswith(header):
        for wrapping_key in wrapping_keys:
            with suppress(DecryptionFailedError):
                body = sealed[len(header) :]
                return Secret(unseal(wrapping_key.reveal(), header, body, context))
    raise BadRequestError(_WRONG_TOKEN)


def _header(binding: TokenBinding) -> bytes:
    return Header(SUITE, Kind.MATERIAL, binding.key_id, 0).encode()


def _context(binding: TokenBinding) -> bytes:
    # Another purpose than that of material: no token ever opens as a version, and no version as one.
    return canonical_bytes(
        {
            "purpose": "import token",
            "key": binding.key_id,
            "expires": str(binding.expires),
            "algorithm": binding.spec.algorithm.value,
            "size or curve": spec_name(binding.spec),
        }
    )
