"""Clients over real sockets: each works on keys of its own, through every fault, until told."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
from aegis_auth_hmac import JwtIssuer

from tests.faults.acknowledged import Acknowledged, Log
from tests.support.server import UNLIMITED

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
#: Not in dev mode, where every key has companions that take long to make.
REAL = {"AEGIS_AUTH_KIND": "hmac", "AEGIS_AUTH_HMAC_SECRET": SECRET, **UNLIMITED}
PLAIN = "aGVsbG8="
AES = {"name": "fault", "algorithm": "AES", "sizeBits": 256}

_CHOICES = ("encrypt", "decrypt", "rotate", "update", "suspend", "compromise", "schedule", "create")
_WEIGHTS = (30, 15, 15, 10, 5, 5, 5, 15)
_PAUSE = 0.05


def headers() -> dict[str, str]:
    """Return what makes a request an administrator's, where the server runs with REAL."""
    token = JwtIssuer.hmac(SECRET).issue("alice", ["admins"], 12 * 3600)
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def load(
    urls: Sequence[str] | Callable[[], Sequence[str]],
    dice: random.Random,
    *,
    clients: int = 8,
    log: Log | None = None,
    timeout: float = 10,
    credentials: Mapping[str, str] | None = None,
) -> AsyncIterator[Log]:
    """Keep `clients` at work for as long as the body runs; then let each finish its last request.

    `credentials` are headers; without any, those of an administrator where the server runs with REAL.
    """
    log = log if log is not None else Log()
    stop = asyncio.Event()
    targets = urls if callable(urls) else lambda: urls
    https = [
        httpx.AsyncClient(headers=credentials or headers(), timeout=timeout) for _ in range(clients)
    ]
    working = [Client(targets, random.Random(dice.random()), log, http) for http in https]
    tasks = [asyncio.create_task(client.work(stop)) for client in working]
    try:
        yield log
    finally:
        stop.set()
        await asyncio.gather(*tasks)


class BrokenOffError(Exception):
    """The request was refused or had no answer: the client cannot say how its key stands."""


class Client:
    """Mixed operations. After a request without an answer it goes on with a new key."""

    def __init__(
        self,
        urls: Callable[[], Sequence[str]],
        dice: random.Random,
        log: Log,
        http: httpx.AsyncClient,
    ) -> None:
        self._urls = urls
        self._dice = dice
        self._log = log
        self._http = http
        self._key_id: str | None = None
        self._sealed: str | None = None

    async def work(self, stop: asyncio.Event) -> None:
        async with self._http:
            while not stop.is_set():
                try:
                    await self._step()
                except BrokenOffError:
                    self._key_id = None
                    await asyncio.sleep(_PAUSE)

    async def _step(self) -> None:
        if self._key_id is None:
            await self._create()
            return
        (choice,) = self._dice.choices(_CHOICES, _WEIGHTS)
        await getattr(self, f"_{choice}")(f"/v1/keys/{self._key_id}")

    async def _create(self, path: str = "") -> None:
        made = await self._ask("POST", "/v1/keys", "KeyCreated", {"spec": AES})
        await self._ask("POST", f"/v1/keys/{made['id']}/activate", "KeyActivated")
        self._key_id, self._sealed = made["id"], None

    async def _encrypt(self, path: str) -> None:
        body = {"plaintextBase64": PLAIN}
        sealed = await self._ask("POST", f"{path}/encrypt", "Encrypt", body)
        self._sealed = sealed["ciphertextBase64"]

    async def _decrypt(self, path: str) -> None:
        if self._sealed is None:
            return
        body = {"ciphertextBase64": self._sealed}
        opened = await self._ask("POST", f"{path}/decrypt", "Decrypt", body)
        if opened["plaintextBase64"] != PLAIN:
            self._log.wrong.append(f"{path} decrypts wrongly")

    async def _rotate(self, path: str) -> None:
        await self._ask("POST", f"{path}/rotate", "Rotate", {})

    async def _update(self, path: str) -> None:
        body = {"description": str(self._dice.random())}
        await self._ask("PATCH", path, "KeyUpdated", body)

    async def _suspend(self, path: str) -> None:
        await self._ask("POST", f"{path}/disable", "KeyDisabled")
        await self._ask("POST", f"{path}/enable", "KeyEnabled")

    async def _compromise(self, path: str) -> None:
        await self._ask("POST", f"{path}/compromise", "Compromise", {"reason": "a test"})
        self._key_id = None

    async def _schedule(self, path: str) -> None:
        await self._ask("DELETE", path, "KeyDestructionScheduled")
        self._key_id = None

    async def _ask(self, method: str, path: str, operation: str, body: Any = None) -> Any:
        url = self._dice.choice(self._urls()) + path
        began = time.monotonic()
        try:
            answer = await self._http.request(method, url, json=body)
        except httpx.TransportError as error:
            self._log.maybe += 1
            raise BrokenOffError from error
        if not answer.is_success:
            self._refused(answer)
            raise BrokenOffError
        self._log.seconds.append(time.monotonic() - began)
        answered = answer.json()
        self._log.acknowledged.append(_acknowledged(operation, path, answer, answered))
        return answered

    def _refused(self, answer: httpx.Response) -> None:
        if answer.status_code == 503 and "Retry-After" in answer.headers:
            self._log.refused += 1
        else:
            self._log.wrong.append(f"{answer.request.url.path}: {answer.status_code} {answer.text}")


def _acknowledged(operation: str, path: str, answer: httpx.Response, answered: Any) -> Acknowledged:
    etag = answer.headers.get("ETag")
    return Acknowledged(
        request_id=answer.headers["X-Request-Id"],
        operation=operation,
        key_id=answered.get("id") or path.split("/")[3],
        version=answered.get("keyVersion") or answered.get("currentVersion"),
        sequence=int(etag.strip('"')) if etag else None,
        ciphertext=answered.get("ciphertextBase64"),
    )
