"""Concurrent histories of one key: who asked what of which host, when, and what the answer said."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from aegis_kernel.domain.lifecycle import KeyState, Operation
from tests.faults.clients import AES, PLAIN
from tests.faults.linear import FAILED, REFUSED, UNKNOWN, Standing, Step

_ASKS: Mapping[Operation, tuple[str, str, Any]] = {
    Operation.ACTIVATE: ("POST", "/activate", None),
    Operation.ROTATE: ("POST", "/rotate", {}),
    Operation.ENCRYPT: ("POST", "/encrypt", {"plaintextBase64": PLAIN}),
    Operation.GET: ("GET", "", None),
    Operation.COMPROMISE: ("POST", "/compromise", {"reason": "a test"}),
    Operation.SCHEDULE_DESTRUCTION: ("DELETE", "", None),
    Operation.CANCEL_DESTRUCTION: ("POST", "/cancel-destruction", None),
}
# A key that ends early shows little: what ends it is rare.
_WEIGHTS = (10, 15, 55, 10, 1, 1, 8)


async def histories(
    urls: Callable[[], Sequence[str]],
    http: Sequence[httpx.AsyncClient],
    dice: random.Random,
    steps: int,
) -> list[Step]:
    """Return the history of a new key that all clients use at the same time, over all hosts."""
    made = await http[0].post(f"{urls()[0]}/v1/keys", json={"spec": AES})
    path = f"/v1/keys/{made.json()['id']}"
    many = [random.Random(dice.random()) for _ in http]
    parts = await asyncio.gather(
        *(
            _work(urls, client, own, path, steps // len(http))
            for client, own in zip(http, many, strict=True)
        )
    )
    return [step for part in parts for step in part]


async def _work(
    urls: Callable[[], Sequence[str]],
    http: httpx.AsyncClient,
    dice: random.Random,
    path: str,
    steps: int,
) -> list[Step]:
    done = []
    for _ in range(steps):
        (operation,) = dice.choices(list(_ASKS), _WEIGHTS)
        done.append(await ask(http, dice.choice(urls()), path, operation))
    return done


async def ask(http: httpx.AsyncClient, url: str, path: str, operation: Operation) -> Step:
    """Ask it of the key at `path`, and return the step."""
    method, end, body = _ASKS[operation]
    began = time.monotonic()
    try:
        answer = await http.request(method, url + path + end, json=body)
    except httpx.TransportError:
        return Step(operation, began, time.monotonic(), UNKNOWN)
    return Step(operation, began, time.monotonic(), _told(operation, answer))


def _told(operation: Operation, answer: httpx.Response) -> Any:
    if answer.status_code == 503 and "Retry-After" in answer.headers:
        return UNKNOWN
    if answer.status_code == 409:
        return REFUSED
    if not answer.is_success:
        return FAILED
    body = answer.json()
    if operation is Operation.GET:
        state = KeyState(body["state"])
        return Standing(state, body.get("destroyAt") is not None, body["currentVersion"])
    if operation in (Operation.ENCRYPT, Operation.ROTATE):
        return body.get("keyVersion") or body["currentVersion"]
    return KeyState(body["state"])
