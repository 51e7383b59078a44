"""The settings, and the one rule of which secrets are strong enough."""

from __future__ import annotations

import hmac
from typing import ClassVar

from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError

from aegis_kernel import Secret, SettingsSection

# RFC 7518 §3.2: a key for HS256 is at least as long as its hash.
MIN_SECRET_BYTES = 32
MIN_DISTINCT_BYTES = 8
LONGEST_PERIOD_BYTES = 64
MAX_LEEWAY_SECONDS = 60
MAX_TTL_SECONDS = 365 * 24 * 3600

_REMEDY = "make one with: openssl rand -base64 48"


class HmacSettings(SettingsSection, frozen=True, kw_only=True):
    """Variables that begin with AEGIS_AUTH_HMAC."""

    prefix: ClassVar[str] = "AEGIS_AUTH_HMAC"

    secret: Secret
    secret_previous: Secret | None = None
    max_ttl_seconds: int = 24 * 3600
    leeway_seconds: int = 30

    def __post_init__(self) -> None:
        _require_strong("AEGIS_AUTH_HMAC_SECRET", self.secret)
        if self.secret_previous is not None:
            _require_strong("AEGIS_AUTH_HMAC_SECRET_PREVIOUS", self.secret_previous)
            if hmac.compare_digest(self.secret.reveal(), self.secret_previous.reveal()):
                raise ValueError(
                    "AEGIS_AUTH_HMAC_SECRET_PREVIOUS is the same as AEGIS_AUTH_HMAC_SECRET: "
                    "set the new secret there, or take the previous one out"
                )
        if not 1 <= self.max_ttl_seconds <= MAX_TTL_SECONDS:
            raise ValueError(f"AEGIS_AUTH_HMAC_MAX_TTL_SECONDS must be 1 to {MAX_TTL_SECONDS}")
        if not 0 <= self.leeway_seconds <= MAX_LEEWAY_SECONDS:
            raise ValueError(f"AEGIS_AUTH_HMAC_LEEWAY_SECONDS must be 0 to {MAX_LEEWAY_SECONDS}")

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secrets whose tokens hold; the first one issues."""
        return (
            (self.secret,) if self.secret_previous is None else (self.secret, self.secret_previous)
        )


def _require_strong(variable: str, secret: Secret) -> None:
    try:
        require_strong(secret)
    except ValueError as error:
        raise ValueError(f"{variable}: {error}") from None


def require_strong(secret: Secret) -> None:
    """Raise ValueError, with the remedy and without the secret, unless it may sign tokens.

    It has at least 32 bytes, 8 of them different, is no repetition of a shorter text, and is no
    key of another kind (PEM, DER, SSH, JWK), which others may know. It cannot tell a guessable
    sentence from a random one.
    """
    value = secret.reveal()
    if len(value) < MIN_SECRET_BYTES:
        raise ValueError(f"the secret must have at least {MIN_SECRET_BYTES} bytes; {_REMEDY}")
    if len(set(value)) < MIN_DISTINCT_BYTES or _is_repetition(value):
        raise ValueError(f"the secret repeats itself; {_REMEDY}")
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(value)
    except InvalidKeyError:
        raise ValueError(f"the secret is a key or certificate of another kind; {_REMEDY}") from None


def _is_repetition(value: bytes) -> bool:
    longest = min(len(value) // 2, LONGEST_PERIOD_BYTES)
    return any(value[period:] == value[:-period] for period in range(1, longest + 1))
