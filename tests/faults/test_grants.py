"""R6 for grants: over hosts, none is used after its retirement is acknowledged, nor more often than it says."""

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
from aegis_auth_hmac import JwtIssuer

from tests.faults.checker import journal_of, ledger_of
from tests.faults.clients import PLAIN, SECRET, headers
from tests.faults.hosts import hosts, postgres_store
from tests.faults.report import Faults
from tests.faults.stores import Store
from tests.faults.test_agent_revocation import active_key
from tests.faults.test_compromise import UsedError
from tests.faults.test_linearizable import end_all

RETIRED = "retire a grant, then use it on every host"
COUNTED = "use a grant on every host, more often than it says"
HOSTS = 4
AT_ONCE = 4
USES = 10
TRIES = 32


async def retirements(
    stores: Sequence[Store], place: Path, dice: random.Random, count: int, *changes: str
) -> Counter[str]:
    """Retire `count` grants that every host knows: in turn one with a count, and one without."""
    counts: Counter[str] = Counter()
    with hosts(stores, place, *changes) as servers:
        urls = [server.url for server in servers]
        async with httpx.AsyncClient(headers=headers(), timeout=20) as http:
            for number in itertools.count():
                if counts["trials"] >= count:
                    break
                # A key of its own for each: a key remembers so many grants and no more.
                many = [
                    _retire(http, urls, random.Random(dice.random()), 1000 if number % 2 else None)
                    for _ in range(AT_ONCE)
                ]
                for done in await asyncio.gather(*many):
                    counts += done
        end_all(servers)
        async with journal_of(servers[0].environment) as journal:
            require_no_use([row async for row in ledger_of(journal)])
    return counts


async def _retire(
    http: httpx.AsyncClient, urls: Sequence[str], dice: random.Random, max_uses: int | None
) -> Counter[str]:
    home = dice.choice(urls)
    key = await active_key(http, home)
    grant = await _grant(http, home, key, max_uses)
    known = await asyncio.gather(*(_encrypt(http, url, key) for url in urls))
    assert all(answer.is_success for answer in known), [answer.text for answer in known]
    retire = f"{dice.choice(urls)}/v1/keys/{key}/grants/{grant}/retire"
    retired, *under_way = await asyncio.gather(
        http.post(retire), *(_encrypt(http, url, key) for url in urls)
    )
    assert retired.is_success, retired.text
    after = await asyncio.gather(*(_encrypt(http, url, key) for url in urls))
    if used := [answer for answer in after if answer.is_success]:
        raise UsedError(f"used on {len(used)} of {len(after)} tries after the acknowledgement")
    assert {answer.status_code for answer in after} == {403}
    won = sum(answer.is_success for answer in under_way)
    return Counter(trials=1, uses_refused=len(after), uses_before_it=won)


async def countings(
    stores: Sequence[Store], place: Path, dice: random.Random, count: int, *changes: str
) -> Counter[str]:
    """Use each of `count` grants of 10 uses 32 times at once, spread over all hosts."""
    counts: Counter[str] = Counter()
    with hosts(stores, place, *changes) as servers:
        urls = [server.url for server in servers]
        async with httpx.AsyncClient(headers=headers(), timeout=20) as http:
            for _ in range(count):
                counts += await _count(http, urls, random.Random(dice.random()))
        end_all(servers)
        async with journal_of(servers[0].environment) as journal:
            require_no_more([row async for row in ledger_of(journal)])
    return counts


async def _count(http: httpx.AsyncClient, urls: Sequence[str], dice: random.Random) -> Counter[str]:
    key = await active_key(http, dice.choice(urls))
    grant = await _grant(http, dice.choice(urls), key, USES)
    waiting, used, late = TRIES, 0, 0
    while waiting:
        asked = [_encrypt(http, dice.choice(urls), key) for _ in range(waiting)]
        answers = await asyncio.gather(*asked)
        used += sum(answer.is_success for answer in answers)
        assert {answer.status_code for answer in answers} <= {200, 403, 503}
        # Nothing was done for these, and a client asks again.
        waiting = sum(answer.status_code == 503 for answer in answers)
        late += waiting
    if used > USES:
        raise UsedError(f"used {used} times, where {USES} were granted")
    assert used == USES
    listed = await http.get(f"{dice.choice(urls)}/v1/keys/{key}/grants")
    assert [(each["id"], each["used"]) for each in listed.json()["items"]] == [(grant, USES)]
    return Counter(trials=1, uses=used, refused=TRIES - used, asked_again=late)


async def _grant(http: httpx.AsyncClient, url: str, key: str, max_uses: int | None) -> str:
    wanted: dict[str, Any] = {"grantee": "bob", "operations": ["Encrypt"]}
    if max_uses is not None:
        wanted["maxUses"] = max_uses
    created = await http.post(f"{url}/v1/keys/{key}/grants", json=wanted)
    assert created.status_code == 201, created.text
    return str(created.json()["id"])


async def _encrypt(http: httpx.AsyncClient, url: str, key: str) -> httpx.Response:
    token = JwtIssuer.hmac(SECRET).issue("bob", [], 3600)
    bob = {"Authorization": f"Bearer {token}"}
    return await http.post(
        f"{url}/v1/keys/{key}/encrypt", json={"plaintextBase64": PLAIN}, headers=bob
    )


def require_no_use(rows: Sequence[dict[str, Any]]) -> None:
    """Raise UsedError if the ledger has a use by a grant after that grant's retirement."""
    retired = set[str]()
    for row in rows:
        if row["outcome"] != "Success":
            continue
        if row["op"] == "GrantRetired":
            retired.add(row["grantId"])
        elif row["op"] == "Encrypt" and row["grantId"] in retired:
            raise UsedError(f"the ledger has a use after the retirement: {row}")


def require_no_more(rows: Sequence[dict[str, Any]]) -> None:
    """Raise UsedError if the ledger has more uses of a grant than were granted."""
    uses = Counter(row["grantId"] for row in rows if (row["op"], row["outcome"]) == SUCCEEDED)
    if wrong := {grant: used for grant, used in uses.items() if used != USES}:
        raise UsedError(f"the ledger has other than {USES} uses: {wrong}")


SUCCEEDED = ("Encrypt", "Success")


async def test_no_host_uses_a_grant_after_its_retirement(
    tmp_path: Path, faults: Faults, postgres: str
) -> None:
    stores = [postgres_store(postgres)] * HOSTS
    counts = await retirements(stores, tmp_path / "hosts", faults.dice, faults.of(40, 1000))
    # Both ways must have happened, or nothing was shown of uses under way.
    assert counts["uses_before_it"] > 0
    faults.passed("R6", f"{RETIRED} of {HOSTS}", counts.pop("trials"), **counts, successes=0)


@pytest.mark.parametrize(("number", "workers"), [(HOSTS, 1), (2, 2)], ids=["hosts", "workers"])
async def test_hosts_together_use_a_grant_no_more_often_than_it_says(
    tmp_path: Path, faults: Faults, postgres: str, number: int, workers: int
) -> None:
    stores = [postgres_store(postgres, workers)] * number
    counts = await countings(stores, tmp_path / "hosts", faults.dice, faults.of(10, 100))
    what = f"{COUNTED}, {number} hosts of {workers} workers"
    faults.passed("R6", what, counts.pop("trials"), **counts)


@pytest.mark.parametrize("bug", ["fences_no_use", "last_write_wins"])
async def test_it_turns_red_without_the_fence(
    tmp_path: Path, faults: Faults, postgres: str, bug: str
) -> None:
    stores = [postgres_store(postgres)] * 2
    planted = f"tests.faults.planted_fence:{bug}"
    with pytest.raises(UsedError) as noticed:
        await retirements(stores, tmp_path / "hosts", faults.dice, 24, planted)
    faults.red("R6", RETIRED, bug.replace("_", " "), str(noticed.value))


async def test_it_turns_red_where_a_use_that_lost_is_counted_over_another(
    tmp_path: Path, faults: Faults, postgres: str
) -> None:
    stores = [postgres_store(postgres)] * 2
    planted = "tests.faults.planted_fence:last_write_wins"
    with pytest.raises(UsedError) as noticed:
        await countings(stores, tmp_path / "hosts", faults.dice, 24, planted)
    faults.red("R6", COUNTED, "last write wins", str(noticed.value))
