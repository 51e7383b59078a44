"""Several servers on one journal, as many hosts have it: one master key, a place for each."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from aegis_kernel.spi.journal import Journal
from tests.faults.checker import delivered_lines, ledger_of
from tests.faults.clients import AES, headers
from tests.faults.stores import Store
from tests.support.server import Server

DELIVERED_SECONDS = 30


@contextmanager
def hosts(
    stores: Sequence[Store], place: Path, *changes: str, **environment: str
) -> Iterator[list[Server]]:
    """A server for each store, all with `changes` and the environment, each of which can be asked."""
    place.mkdir(exist_ok=True)
    shared = {"AEGIS_ROT_INMEMORY_MASTER_KEY_FILE": str(place / "master.key")} | environment

    def start(number: int) -> Server:
        server = stores[number].serving(place / f"host{number}", *changes, **shared)
        return stack.enter_context(server)

    with ExitStack() as stack:
        # The first one makes the master key and the tables.
        first = start(0)
        with ThreadPoolExecutor(len(stores)) as pool:
            servers = [first, *pool.map(start, range(1, len(stores)))]
        yield servers


def postgres_store(url: str, workers: int = 1) -> Store:
    """Return a store on this database, whose servers have so many workers each."""
    named = {"AEGIS_JOURNAL_KIND": "postgres", "AEGIS_JOURNAL_POSTGRES_URL": url}
    verb = ("serve",) if workers == 1 else ("serve", "--workers", str(workers))
    return Store("postgres", named, verb)


def urls_of(servers: Sequence[Server]) -> Callable[[], list[str]]:
    """Return where they are now; a server that was started again has another port."""
    return lambda: [server.url for server in servers]


async def require_delivered(journal: Journal, servers: Sequence[Server]) -> None:
    """Wait until the hosts together have delivered the whole ledger; raise TimeoutError if not.

    The lease of a host that was killed ends by itself, and another goes on from its cursor.
    """
    committed = {row["eventId"] async for row in ledger_of(journal)}
    until = time.monotonic() + DELIVERED_SECONDS
    while True:
        files = [file for server in servers for file in server.audit_files]
        delivered = {json.loads(line)["eventId"] for line in delivered_lines(files)}
        if delivered == committed:
            return
        if time.monotonic() > until:
            raise TimeoutError(f"{len(committed - delivered)} records are not delivered")
        await asyncio.sleep(0.2)


async def seconds_until_back(servers: Sequence[Server], seconds: float = 30) -> float:
    """Return how long it takes until every host makes a key. Raises TimeoutError after `seconds`."""
    began = time.monotonic()
    async with asyncio.timeout(seconds), httpx.AsyncClient(headers=headers(), timeout=30) as http:
        for server in servers:
            while not (await http.post(f"{server.url}/v1/keys", json={"spec": AES})).is_success:
                await asyncio.sleep(0.05)
    return time.monotonic() - began
