"""One issuer: where its keys are (OpenID Connect Discovery 1.0 §4), and those it has now."""

from __future__ import annotations

import asyncio
import logging

from aegis_auth_oidc.fetch import Fetcher, FetchError
from aegis_auth_oidc.keys import KeySet, VerifyingKey, parse_keys
from aegis_auth_oidc.rules import IssuerRules, is_allowed_address
from aegis_auth_oidc.strict import parse_object
from aegis_kernel import HEALTHY, Clock, Health, Status, UnavailableError

WELL_KNOWN = "/.well-known/openid-configuration"
MIN_PAUSE_SECONDS = 5.0
MAX_PAUSE_SECONDS = 60.0
MAX_WAITING = 64


class Issuer:
    """Keeps the last good keys, and asks for new ones seldom enough that nobody can make it a flood.

    A key that nobody has heard of is looked for at once, then after 5 s, 10 s, 20 s, at most 60 s,
    for as long as what is looked for is not found.
    """

    def __init__(
        self,
        rules: IssuerRules,
        fetcher: Fetcher,
        clock: Clock,
        *,
        allow_http: bool = False,
        stale_seconds: float = 24 * 3600.0,
    ) -> None:
        self.rules = rules
        self._fetcher = fetcher
        self._clock = clock
        self._allow_http = allow_http
        self._stale_seconds = stale_seconds
        self._keys = KeySet(())
        self._keys_address = ""
        self._good_until = float("-inf")
        self._trouble: str | None = "has not been asked"
        self._asks_again_at = float("-inf")
        self._in_vain = 0
        self._asking: asyncio.Task[None] | None = None
        self._waiting = 0

    async def load(self) -> None:
        """Read both documents for the first time. Raises FetchError."""
        await self._discover()
        await self._read_keys()

    async def refresh(self) -> bool:
        """Read both documents anew; keep the last good keys if that fails, and return whether not."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(discover=True))
        await asyncio.shield(self._asking)
        if self._trouble is None:
            self._in_vain = 0
        return self._trouble is None

    async def key(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        """Return the key, or None if the issuer says that it has no such key.

        Raises UnavailableError while the issuer does not say anything.
        """
        key = self._known(kid, algorithm)
        if key is not None:
            return key
        await self._look_again()
        key = self._known(kid, algorithm)
        if key is not None:
            self._in_vain = 0
        elif self._trouble is not None:
            raise self._unavailable()
        return key

    def health(self) -> Health:
        if self._is_stale:
            return Health(Status.UNAVAILABLE, f"{self.rules.name}: {self._trouble}; keys too old")
        if self._trouble is not None:
            return Health(Status.DEGRADED, f"{self.rules.name}: {self._trouble}")
        return HEALTHY

    async def aclose(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    @property
    def _is_stale(self) -> bool:
        return self._clock.monotonic() >= self._good_until

    def _known(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        # An issuer that has not been heard for long may have revoked its keys since.
        return None if self._is_stale else self._keys.find(kid, algorithm)

    async def _look_again(self) -> None:
        """Ask the issuer, or wait with those who already do, unless it has been asked just now."""
        if self._asking is None:
            if self._clock.monotonic() < self._asks_again_at:
                return
            # After a failure from the start: the keys may have moved.
            self._asking = asyncio.create_task(self._ask(discover=self._trouble is not None))
        if self._waiting >= MAX_WAITING:
            raise self._unavailable()
        self._waiting += 1
        try:
            await asyncio.shield(self._asking)
        finally:
            self._waiting -= 1

    async def _ask(self, *, discover: bool) -> None:
        before = self._trouble
        try:
            if discover:
                await self._discover()
            await self._read_keys()
        except FetchError as error:
            self._trouble = str(error)
        finally:
            self._tell_of_change(before)
            pause = min(MIN_PAUSE_SECONDS * 2**self._in_vain, MAX_PAUSE_SECONDS)
            self._in_vain = min(self._in_vain + 1, 10)
            self._asks_again_at = self._clock.monotonic() + pause
            self._asking = None

    def _tell_of_change(self, before: str | None) -> None:
        if self._trouble is not None and self._trouble != before:
            logging.getLogger("aegis").warning(
                "the issuer %s %s; its known keys go on working", self.rules.issuer, self._trouble
            )
        elif self._trouble is None and before is not None:
            logging.getLogger("aegis").warning("the issuer %s is heard again", self.rules.issuer)

    async def _discover(self) -> None:
        address = self.rules.issuer.removesuffix("/") + WELL_KNOWN
        try:
            document = parse_object(await self._fetcher.get(address))
        except ValueError:
            raise FetchError(f"has no JSON object at {WELL_KNOWN}") from None
        # Discovery §4.3: what answers for another issuer is not this one.
        if document.get("issuer") != self.rules.issuer:
            raise FetchError("calls itself by another `issuer`: spell it as it does")
        keys_address = document.get("jwks_uri")
        if not isinstance(keys_address, str) or not self._may_be_asked(keys_address):
            raise FetchError("has no jwks_uri with https")
        self._keys_address = keys_address

    def _may_be_asked(self, address: str) -> bool:
        # Whoever is asked over https may not lead to an address without it, even on this machine.
        if self.rules.issuer.startswith("https:") and not address.startswith("https:"):
            return False
        return is_allowed_address(address, self._allow_http)

    async def _read_keys(self) -> None:
        text = await self._fetcher.get(self._keys_address)
        try:
            self._keys = parse_keys(text, self.rules.algorithms)
        except ValueError:
            raise FetchError(
                f"has no usable set of keys for {', '.join(self.rules.algorithms)}"
            ) from None
        self._trouble = None
        self._good_until = self._clock.monotonic() + self._stale_seconds

    def _unavailable(self) -> UnavailableError:
        seconds = round(max(1.0, self._asks_again_at - self._clock.monotonic()))
        return UnavailableError(
            "Credentials cannot be checked at the moment",
            reason="the issuer's keys cannot be read",
            retry_after_seconds=min(seconds, int(MAX_PAUSE_SECONDS)),
        )
