"""The provider: from the Authorization header to a principal, by the issuer that signed for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from aegis_auth_oidc.claims import ClaimRules
from aegis_auth_oidc.fetch import Fetcher, FetchError
from aegis_auth_oidc.issuer import Issuer
from aegis_auth_oidc.jws import Unverified, read_token
from aegis_auth_oidc.rules import IssuerRules
from aegis_auth_oidc.settings import PREFIX, OidcSettings
from aegis_auth_oidc.strict import RefusedError
from aegis_kernel import (
    HEALTHY,
    Authenticated,
    Authenticator,
    BootError,
    Clock,
    Executor,
    Headers,
    Health,
    Status,
    UnauthorizedError,
)

HEADER = b"authorization"
INVALID = "Invalid bearer token"
RETRY_SECONDS = 30.0


class _Judge(msgspec.Struct, frozen=True):
    """One issuer and its rules."""

    issuer: Issuer
    claims: ClaimRules


class OidcAuthenticator(Authenticator):
    """Accepts tokens of the configured issuers. A refusal's reason goes to the audit record alone."""

    def __init__(self, settings: OidcSettings, clock: Clock, executor: Executor) -> None:
        self._settings = settings
        self._clock = clock
        self._fetcher = Fetcher(executor, settings.ca_file)
        self._judges: Mapping[str, _Judge] = {}
        self._refreshing: list[asyncio.Task[None]] = []

    @property
    def credential_headers(self) -> tuple[bytes, ...]:
        return (HEADER,)

    @property
    def description(self) -> str:
        of = self._settings.issuer or f"{len(self._judges) or 'several'} issuers"
        return f"OIDC bearer tokens of {of}"

    async def open(self) -> None:
        self._open_trust()
        issuers = self._settings.issuers()
        self._judges = {rules.issuer: self._judge(rules, issuers) for rules in issuers}
        lines = await asyncio.gather(*(_load(each.issuer) for each in self._judges.values()))
        if any(lines):
            raise BootError("\n".join(line for line in lines if line))
        self._refreshing = [
            asyncio.create_task(self._refresh(judge.issuer)) for judge in self._judges.values()
        ]

    async def aclose(self) -> None:
        for task in self._refreshing:
            task.cancel()
        await asyncio.gather(*self._refreshing, return_exceptions=True)
        for judge in self._judges.values():
            await judge.issuer.aclose()

    async def check(self) -> Health:
        """Degraded while an issuer cannot be reached; unavailable once none of them can be believed."""
        healths = [judge.issuer.health() for judge in self._judges.values()]
        ill = [health for health in healths if health.status is not Status.OK]
        if not ill:
            return HEALTHY
        all_lost = all(health.status is Status.UNAVAILABLE for health in healths)
        detail = "; ".join(health.detail or "" for health in ill)
        return Health(Status.UNAVAILABLE if all_lost else Status.DEGRADED, detail)

    async def authenticate(self, headers: Headers) -> Authenticated | None:
        """None for what is plainly another's: no JWS, an HMAC, an issuer that is not ours."""
        scheme, _, token = headers.get(HEADER, b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        try:
            unverified = read_token(token)
            judge = None if unverified is None else self._judge_of(unverified)
            if unverified is None or judge is None:
                return None
            return await self._judged(unverified, judge)
        except RefusedError as refusal:
            raise UnauthorizedError(INVALID, reason=str(refusal)) from None

    def _judge_of(self, token: Unverified) -> _Judge | None:
        if isinstance(token.algorithm, str) and token.algorithm.startswith("HS"):
            return None
        return self._judges.get(token.issuer) if isinstance(token.issuer, str) else None

    async def _judged(self, token: Unverified, judge: _Judge) -> Authenticated:
        algorithm = token.algorithm
        if not isinstance(algorithm, str) or algorithm not in judge.issuer.rules.algorithms:
            raise RefusedError("algorithm is not one of the issuer's")
        token.check_header()
        # Before its key is looked for: a token that holds for nobody makes no one ask the issuer.
        authenticated = judge.claims.authenticated(token.claims, self._clock.time())
        key = await judge.issuer.key(token.kid, algorithm)
        if key is None:
            raise RefusedError("the issuer has no such key")
        if not key.verify(token.signed, token.signature):
            raise RefusedError("signature does not match")
        return authenticated

    def _open_trust(self) -> None:
        try:
            self._fetcher.open()
        except OSError as error:
            raise BootError(
                f"{PREFIX}_CA_FILE has no certificates that can be read: {error.strerror}"
            ) from None

    def _judge(self, rules: IssuerRules, issuers: tuple[IssuerRules, ...]) -> _Judge:
        issuer = Issuer(
            rules,
            self._fetcher,
            self._clock,
            allow_http=self._settings.allow_http,
            stale_seconds=self._settings.stale_seconds,
        )
        own = rules.subject_prefix or ""
        others = [each.subject_prefix or "" for each in issuers if each is not rules]
        return _Judge(issuer, ClaimRules(rules, [p for p in others if p.startswith(own) and p]))

    async def _refresh(self, issuer: Issuer) -> None:
        """Read the issuer's keys anew until cancelled, sooner after a failure."""
        succeeded = True
        while True:
            period = self._settings.refresh_seconds
            await asyncio.sleep(period if succeeded else min(period, RETRY_SECONDS))
            succeeded = await issuer.refresh()


async def _load(issuer: Issuer) -> str | None:
    try:
        await issuer.load()
    except FetchError as error:
        return (
            f"The issuer {issuer.rules.issuer} {error}. Check its address, that it can be reached "
            f"from here, and whom its certificate is from ({PREFIX}_CA_FILE)"
        )
    return None
