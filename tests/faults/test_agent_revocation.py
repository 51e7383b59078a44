"""R6 for agents: once a revocation is acknowledged by one host, no host acts for that agent any more."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.checker import journal_of, ledger_of
from tests.faults.clients import AES, PLAIN, headers
from tests.faults.hosts import hosts, postgres_store
from tests.faults.report import Faults
from tests.faults.stores import Store
from tests.faults.test_compromise import UsedError
from tests.faults.test_linearizable import end_all

FAULT = "revoke an agent, then use it on every host"
HOSTS = 4
AT_ONCE = 4


async def trials(
    stores: Sequence[Store], place: Path, dice: random.Random, count: int, *changes: str
) -> Counter[str]:
    """Revoke `count` agents that every host knows, one by one or by the kill switch."""
    counts: Counter[str] = Counter()
    with hosts(stores, place, *changes) as servers:
        urls = [server.url for server in servers]
        async with httpx.AsyncClient(headers=headers(), timeout=20) as http:
            key = await active_key(http, urls[0])
            for turn in itertools.count():
                if counts["trials"] >= count:
                    break
                # The kill switch ends all of them: it has a turn of its own.
                at_once = AT_ONCE if turn % 4 else 1
                many = [
                    _trial(http, urls, key, random.Random(dice.random()), whole=at_once == 1)
                    for _ in range(at_once)
                ]
                for done in await asyncio.gather(*many):
                    counts += done
        end_all(servers)
        async with journal_of(servers[0].environment) as journal:
            require_no_use([row async for row in ledger_of(journal)])
    return counts


async def active_key(http: httpx.AsyncClient, url: str) -> str:
    made = await http.post(f"{url}/v1/keys", json={"spec": AES})
    (await http.post(f"{url}/v1/keys/{made.json()['id']}/activate")).raise_for_status()
    return str(made.json()["id"])


async def _trial(
    http: httpx.AsyncClient, urls: Sequence[str], key: str, dice: random.Random, *, whole: bool
) -> Counter[str]:
    agent = await _issue(http, dice.choice(urls), key)
    token = {"Authorization": f"Bearer {agent['token']}"}
    known = await asyncio.gather(*(_encrypt(http, url, key, token) for url in urls))
    assert all(answer.is_success for answer in known), [answer.text for answer in known]
    path, body = f"{agent['id']}/revoke", {"reason": "a test"}
    if whole:
        path, body = "revoke", {"parent": "alice"}
    revoked, *under_way = await asyncio.gather(
        http.post(f"{dice.choice(urls)}/v1/agents/{path}", json=body),
        *(_encrypt(http, url, key, token) for url in urls),
    )
    assert revoked.is_success, revoked.text
    after = await asyncio.gather(*(_encrypt(http, url, key, token) for url in urls))
    if used := [answer for answer in after if answer.is_success]:
        raise UsedError(f"used on {len(used)} of {len(after)} tries after the acknowledgement")
    assert {answer.status_code for answer in after} == {401}
    won = sum(answer.is_success for answer in under_way)
    return Counter(trials=1, uses_refused=len(after), uses_before_it=won)


async def _issue(http: httpx.AsyncClient, url: str, key: str) -> dict[str, Any]:
    scope = {"keys": [key], "operations": ["Encrypt"]}
    issued = await http.post(f"{url}/v1/agents", json={"label": "tried", "scopes": [scope]})
    assert issued.is_success, issued.text
    answer: dict[str, Any] = issued.json()
    return answer


async def _encrypt(
    http: httpx.AsyncClient, url: str, key: str, token: dict[str, str]
) -> httpx.Response:
    body = {"plaintextBase64": PLAIN}
    return await http.post(f"{url}/v1/keys/{key}/encrypt", json=body, headers=token)


def require_no_use(rows: Sequence[dict[str, Any]]) -> None:
    """Raise UsedError if the ledger has a use by an agent after that agent's end."""
    living, ended = set[str](), set[str]()
    for row in rows:
        if row["outcome"] != "Success":
            continue
        if row["op"] == "AgentRevoked":
            ended.add(row["agentId"])
        elif row["op"] == "AgentsRevoked":
            ended |= living
        elif row["op"] == "AgentIssued":
            living.add(row["agentId"])
        elif row["op"] == "Encrypt" and row["actor"] in ended:
            raise UsedError(f"the ledger has a use after the revocation: {row}")


async def test_no_host_acts_for_an_agent_after_its_revocation(
    tmp_path: Path, faults: Faults, postgres: str
) -> None:
    stores = [postgres_store(postgres)] * HOSTS
    counts = await trials(stores, tmp_path / "hosts", faults.dice, faults.of(40, 1000))
    # Both ways must have happened, or nothing was shown of uses under way.
    assert counts["uses_before_it"] > 0
    faults.passed("R6", f"{FAULT} of {HOSTS}", counts.pop("trials"), **counts, successes=0)


async def test_it_turns_red_without_the_fence(
    tmp_path: Path, faults: Faults, postgres: str
) -> None:
    bug = "tests.faults.planted_fence:fences_no_use"
    stores = [postgres_store(postgres)] * 2
    with pytest.raises(UsedError) as noticed:
        await trials(stores, tmp_path / "hosts", faults.dice, 24, bug)
    faults.red("R6", FAULT, "uses without expectations", str(noticed.value))
