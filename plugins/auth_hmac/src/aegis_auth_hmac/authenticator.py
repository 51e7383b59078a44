"""The provider: from the Authorization header to a principal."""

from __future__ import annotations

from aegis_auth_hmac.claims import Rules
from aegis_auth_hmac.issuer import JwtIssuer
from aegis_auth_hmac.jws import RefusedError, Verifier
from aegis_auth_hmac.settings import HmacSettings
from aegis_kernel import (
    Authenticated,
    Authenticator,
    Clock,
    Headers,
    TokenIssuer,
    UnauthorizedError,
)

HEADER = b"authorization"
INVALID = "Invalid bearer token"


class HmacAuthenticator(Authenticator, TokenIssuer):
    """Accepts HS256 tokens of the secret, and of the one before it where that is set.

    A refusal's reason goes to the audit record alone.
    """

    def __init__(self, settings: HmacSettings, clock: Clock) -> None:
        self._clock = clock
        self._verifier = Verifier(settings.secrets)
        self._rules = Rules(settings.max_ttl_seconds, settings.leeway_seconds)
        self._issuer = JwtIssuer(settings.secret, clock.time)

    @property
    def credential_headers(self) -> tuple[bytes, ...]:
        return (HEADER,)

    @property
    def description(self) -> str:
        return "JWT bearer tokens (HS256)"

    async def open(self) -> None:
        """Nothing to open: the settings have already been checked."""

    async def aclose(self) -> None:
        """Nothing is held."""

    async def authenticate(self, headers: Headers) -> Authenticated | None:
        value = headers.get(HEADER)
        if value is None:
            return None
        scheme, _, token = value.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        try:
            claims = self._verifier.claims(token)
            if claims is None:
                return None
            return self._rules.authenticated(claims, self._clock.time())
        except RefusedError as refusal:
            raise UnauthorizedError(INVALID, reason=str(refusal)) from None

    def issue_token(
        self, subject: str, groups: frozenset[str], kind: str, ttl_seconds: float
    ) -> str:
        if ttl_seconds > self._rules.max_ttl_seconds:
            raise ValueError(
                f"ttl must be at most {self._rules.max_ttl_seconds} seconds; "
                "AEGIS_AUTH_HMAC_MAX_TTL_SECONDS sets the limit"
            )
        return self._issuer.issue(subject, groups, ttl_seconds, kind=kind.lower())
