"""kill -9 under load: nothing acknowledged is lost, nothing happens without its audit record."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from aegis_kernel.domain.events import Event, replay
from aegis_kernel.domain.key import Key, key_stream
from aegis_kernel.engine.kernel import Kernel
from tests.support.kernel import settings
from tests.support.server import Server, running

ROUNDS = 6
CLIENTS = 8


class Client:
    """Works until the server dies; remembers what was acknowledged."""

    def __init__(self, url: str, dice: random.Random) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers={"X-Aegis-User": "alice"}, timeout=10)
        self._dice = dice
        self.acknowledged: list[tuple[str, str, dict[str, Any]]] = []

    async def work(self) -> None:
        spec = {"name": "kill", "algorithm": "AES", "sizeBits": 128}
        try:
            key_id = await self._post("/v1/keys", {"spec": spec}, "KeyCreated")
            await self._post(f"/v1/keys/{key_id}/activate", None, "KeyActivated")
            while True:
                await self._any(key_id)
        except httpx.TransportError:
            await self._http.aclose()

    async def _any(self, key_id: str) -> None:
        if self._dice.random() < 0.1:
            await self._post(f"/v1/keys/{key_id}/rotate", {}, "Rotate")
        else:
            body = {"plaintextBase64": "aGVsbG8=", "context": {"n": "1"}}
            await self._post(f"/v1/keys/{key_id}/encrypt", body, "Encrypt")

    async def _post(self, path: str, body: Any, operation: str) -> str:
        answer = (
            await self._http.post(path, json=body)
            if body is not None
            else await self._http.post(path)
        )
        assert answer.status_code in (200, 201), answer.text
        answered = answer.json()
        key_id = answered.get("id") or path.split("/")[3]
        self.acknowledged.append(
            (answer.headers["X-Request-Id"], operation, answered | {"id": key_id})
        )
        return str(key_id)


async def one_round(server: Server, dice: random.Random) -> list[tuple[str, str, dict[str, Any]]]:
    clients = [Client(server.url, dice) for _ in range(CLIENTS)]
    tasks = [asyncio.create_task(client.work()) for client in clients]
    await asyncio.sleep(dice.uniform(0.3, 1.2))
    server.kill()
    await asyncio.gather(*tasks)
    return [done for client in clients for done in client.acknowledged]


async def ledger(kernel: Kernel) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    after = 0
    while page := await kernel.providers.journal.ledger(after, 1000):
        for record in page:
            row = json.loads(record.body)
            assert row["requestId"] not in rows, "one request, two records"
            rows[row["requestId"]] = row
        after = page[-1].position
    return rows


async def test_nothing_acknowledged_is_lost_and_nothing_is_unaudited(tmp_path: Path) -> None:
    dice = random.Random(20260509)
    acknowledged: list[tuple[str, str, dict[str, Any]]] = []
    data = tmp_path / "data"
    with running(data) as server:
        for number in range(ROUNDS):
            if number:
                server.start()
            acknowledged += await one_round(server, dice)
    sqlite = settings(data, AEGIS_JOURNAL_KIND="sqlite")
    async with Kernel(sqlite) as kernel:
        rows = await ledger(kernel)
        lost = [done for done in acknowledged if rows.get(done[0], {}).get("op") != done[1]]
        assert lost == []
        await check_keys(kernel, rows, acknowledged)
    assert len(acknowledged) > ROUNDS * CLIENTS * 3
    print(f"{len(acknowledged)} acknowledged, {ROUNDS} crashes, 0 lost, 0 unaudited")


async def check_keys(
    kernel: Kernel, rows: dict[str, dict[str, Any]], acknowledged: list[Any]
) -> None:
    journal = kernel.providers.journal
    for key_id in {answered["id"] for _, _, answered in acknowledged}:
        stream = key_stream(key_id)
        stored = await journal.load(stream)
        assert stored is not None
        history = await journal.history(stream)
        events = [msgspec.json.decode(event, type=Event) for event in history]
        key = msgspec.json.decode(stored.snapshot, type=Key)
        assert replay(events) == key
        assert stored.sequence == len(events)
        changes = [r for r in rows.values() if r.get("keyId") == key_id and r["op"] != "Encrypt"]
        assert len(changes) == len(events), "an event without its record"
        seen = [
            a["currentVersion"] for _, op, a in acknowledged if a["id"] == key_id and op == "Rotate"
        ]
        assert max(seen, default=1) <= key.current_version
        for version in key.versions:
            assert await journal.material(key.id, version.number) is not None


def test_a_second_process_on_the_same_file_is_refused(tmp_path: Path) -> None:
    with running(tmp_path / "data"), pytest.raises(RuntimeError, match="in use"):
        Server(tmp_path / "data")
