"""R6: once a compromise is acknowledged by one host, no host uses the key any more."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.checker import journal_of, ledger_of
from tests.faults.clients import AES, PLAIN, headers
from tests.faults.hosts import hosts, postgres_store
from tests.faults.planted_postgres import WITHOUT_LOCKS
from tests.faults.report import Faults
from tests.faults.stores import Store
from tests.faults.test_linearizable import end_all
from tests.support.postgres import PostgresServer

FAULT = "compromise, then use on every host"
HOSTS = 4
AT_ONCE = 4


class UsedError(AssertionError):
    """A compromised key was used."""


async def trials(
    stores: Sequence[Store],
    place: Path,
    dice: random.Random,
    count: int,
    *changes: str,
    prepare: Callable[[], object] = lambda: None,
) -> Counter[str]:
    """Compromise `count` keys that every host knows, then use each on every host."""
    counts: Counter[str] = Counter()
    with hosts(stores, place, *changes) as servers:
        prepare()
        urls = [server.url for server in servers]
        async with httpx.AsyncClient(headers=headers(), timeout=20) as http:
            for _ in range(0, count, AT_ONCE):
                many = [_trial(http, urls, random.Random(dice.random())) for _ in range(AT_ONCE)]
                for done in await asyncio.gather(*many):
                    counts += done
        end_all(servers)
        async with journal_of(servers[0].environment) as journal:
            require_no_use([row async for row in ledger_of(journal)])
    return counts


async def _trial(http: httpx.AsyncClient, urls: Sequence[str], dice: random.Random) -> Counter[str]:
    made = await http.post(f"{dice.choice(urls)}/v1/keys", json={"spec": AES})
    path = f"/v1/keys/{made.json()['id']}"
    await http.post(f"{dice.choice(urls)}{path}/activate")
    sealed = await asyncio.gather(*(_encrypt(http, url + path) for url in urls))
    assert all(answer.is_success for answer in sealed)
    ciphertext = sealed[0].json()["ciphertextBase64"]
    # Uses that are under way meanwhile may come before it or after it.
    compromise, *under_way = await asyncio.gather(
        http.post(f"{dice.choice(urls)}{path}/compromise", json={"reason": "a test"}),
        *(_encrypt(http, url + path) for url in urls),
    )
    assert compromise.is_success, compromise.text
    after = await asyncio.gather(
        *(_encrypt(http, url + path) for url in urls),
        *(_decrypt(http, url + path, ciphertext) for url in urls),
    )
    if used := [answer for answer in after if answer.is_success]:
        raise UsedError(f"used on {len(used)} of {len(after)} tries after the acknowledgement")
    assert {answer.status_code for answer in after} == {409}
    won = sum(answer.is_success for answer in under_way)
    return Counter(uses_refused=len(after), uses_before_it=won)


async def _encrypt(http: httpx.AsyncClient, url: str) -> httpx.Response:
    return await http.post(f"{url}/encrypt", json={"plaintextBase64": PLAIN})


async def _decrypt(http: httpx.AsyncClient, url: str, ciphertext: str) -> httpx.Response:
    return await http.post(f"{url}/decrypt", json={"ciphertextBase64": ciphertext})


def require_no_use(rows: Sequence[dict[str, Any]]) -> None:
    """Raise UsedError if the ledger has a use of a key after the key's compromise."""
    compromised = set()
    for row in rows:
        if row["outcome"] != "Success":
            continue
        if row["op"] == "Compromise":
            compromised.add(row["keyId"])
        elif row["op"] in ("Encrypt", "Decrypt") and row["keyId"] in compromised:
            raise UsedError(f"the ledger has a use after the compromise: {row}")


async def test_no_host_uses_a_key_after_its_compromise(
    tmp_path: Path, faults: Faults, postgres: str
) -> None:
    stores = [postgres_store(postgres)] * HOSTS
    count = faults.of(40, 1000)
    counts = await trials(stores, tmp_path / "hosts", faults.dice, count)
    # Both ways must have happened, or nothing was shown of uses under way.
    assert counts["uses_before_it"] > 0
    faults.passed("R6", f"{FAULT} of {HOSTS}", count, **counts, successes=0)


async def test_it_turns_red_with_a_stale_cache_in_place_of_the_fence(
    tmp_path: Path, faults: Faults, postgres: str
) -> None:
    bug = "tests.faults.planted_fence:trusts_for_a_second"
    stores = [postgres_store(postgres)] * 2
    with pytest.raises(UsedError) as noticed:
        await trials(stores, tmp_path / "hosts", faults.dice, 8, bug)
    faults.red("R6", FAULT, "a cache of one second, no fence", str(noticed.value))


async def test_it_turns_red_without_the_locks(
    tmp_path: Path, faults: Faults, postgres: str, postgres_server: PostgresServer
) -> None:
    database = postgres.rpartition("/")[2]
    with pytest.raises(UsedError, match="ledger") as noticed:
        await trials(
            [postgres_store(postgres)] * 2, tmp_path / "hosts", faults.dice, 24,
            prepare=lambda: postgres_server.execute(WITHOUT_LOCKS, database),
        )  # fmt: skip
    faults.red("R6", FAULT, "commits without locks", str(noticed.value))
