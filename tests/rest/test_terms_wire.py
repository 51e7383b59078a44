"""If-Match, Idempotency-Key and dryRun on the wire: one spelling each, and every answer has its ETag."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from aegis_kernel.domain.lifecycle import USAGES, Operation
from aegis_kernel.rest.endpoints import ENDPOINTS
from tests.support.wire import active_key, assert_refused, new_key

CREATE = {"spec": {"name": "demo", "algorithm": "AES", "sizeBits": 256}}

# Whatever takes a usage computes with a key, and so does what needs none at all.
COMPUTES = {*USAGES, Operation.RANDOM}
# A token is the caller's alone: nothing is stored of it.
LEAVES_NOTHING = {Operation.CREATE_IMPORT_TOKEN}


def test_every_endpoint_that_is_no_read_and_does_not_compute_changes_something() -> None:
    unsafe = {e.declaration for e in ENDPOINTS if e.method != "GET"}
    assert {d.name for d in unsafe if not d.changes} <= COMPUTES | LEAVES_NOTHING
    assert not {d.name for d in unsafe if d.changes} & (COMPUTES | LEAVES_NOTHING)


async def test_every_change_answers_with_the_new_etag(alice: httpx.AsyncClient) -> None:
    created = await alice.post("/v1/keys", json=CREATE)
    path = f"/v1/keys/{created.json()['id']}"
    answers = [
        created,
        await alice.post(f"{path}/activate"),
        await alice.post(f"{path}/rotate"),
        await alice.delete(path),
        await alice.post(f"{path}/cancel-destruction"),
    ]
    assert [answer.headers["etag"] for answer in answers] == [f'"{n}"' for n in range(1, 6)]
    assert (await alice.get(path)).headers["etag"] == '"5"'


async def test_the_etag_of_one_answer_is_the_if_match_of_the_next(alice: httpx.AsyncClient) -> None:
    path = f"/v1/keys/{await active_key(alice)}"
    etag = (await alice.get(path)).headers["etag"]
    changed = await alice.post(f"{path}/rotate", headers={"If-Match": etag})
    assert changed.status_code == 200
    late = await alice.post(f"{path}/rotate", headers={"If-Match": etag})
    assert_refused(late, 412, "PreconditionFailed")
    used = await alice.post(
        f"{path}/encrypt", json={"plaintextBase64": "aA=="}, headers={"If-Match": etag}
    )
    assert_refused(used, 412, "PreconditionFailed")


@pytest.mark.parametrize(
    "value", ["2", '"2', '""', '"02"', 'W/"2"', "*", '"2", "3"', '"-1"', f'"{"9" * 19}"', '"2" ;']
)
async def test_an_if_match_that_is_no_etag_of_ours_is_refused(
    alice: httpx.AsyncClient, key_id: str, value: str
) -> None:
    answer = await alice.post(f"/v1/keys/{key_id}/rotate", headers={"If-Match": value})
    assert_refused(answer, 400, "BadRequest")


async def test_if_match_needs_a_key(alice: httpx.AsyncClient) -> None:
    answer = await alice.post("/v1/keys", json=CREATE, headers={"If-Match": '"1"'})
    assert_refused(answer, 400, "BadRequest")


async def test_a_replay_is_the_same_answer_byte_for_byte(alice: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}
    body = CREATE | {"tags": {"b": "2", "a": "1"}, "description": "x"}
    answers = await asyncio.gather(
        *(alice.post("/v1/keys", json=body, headers=headers) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({(answer.content, answer.headers["etag"]) for answer in answers}) == 1
    reordered = body | {"tags": {"a": "1", "b": "2"}}
    assert (await alice.post("/v1/keys", json=reordered, headers=headers)).status_code == 201
    other = await alice.post("/v1/keys", json=CREATE, headers=headers)
    assert_refused(other, 422, "IdempotencyMismatch")


async def test_a_deletion_can_be_sent_again(alice: httpx.AsyncClient) -> None:
    path = f"/v1/keys/{await new_key(alice)}"
    headers = {"Idempotency-Key": "k" * 255}
    first = await alice.delete(path, params={"pendingDays": 9}, headers=headers)
    again = await alice.delete(path, params={"pendingDays": 9}, headers=headers)
    assert (
        (first.status_code, first.content)
        == (again.status_code, again.content)
        == (202, first.content)
    )
    assert_refused(await alice.delete(path), 409, "IllegalOperation")


@pytest.mark.parametrize("value", ["", "k" * 256, "a b", "\u00e9", "a\tb"])
async def test_an_idempotency_key_is_visible_ascii(alice: httpx.AsyncClient, value: str) -> None:
    headers = {"Idempotency-Key": value.encode("latin-1")}
    answer = await alice.post("/v1/keys", json=CREATE, headers=headers)
    assert_refused(answer, 400, "BadRequest")


@pytest.mark.parametrize("name", ["Idempotency-Key", "If-Match"])
async def test_a_header_that_comes_twice_is_refused(
    alice: httpx.AsyncClient, key_id: str, name: str
) -> None:
    headers = [(name, '"2"'), (name, '"2"')]
    answer = await alice.post(f"/v1/keys/{key_id}/rotate", headers=headers)
    assert_refused(answer, 400, "BadRequest")


async def test_a_dry_run_is_a_200_wherever_it_is_asked(alice: httpx.AsyncClient) -> None:
    path = f"/v1/keys/{await new_key(alice)}"
    plaintext = {"plaintextBase64": "aA=="}
    told = [
        await alice.post("/v1/keys?dryRun=true", json=CREATE),
        await alice.get(f"{path}?dryRun=true"),
        await alice.delete(f"{path}?pendingDays=9&dryRun=true"),
        await alice.post(f"{path}/activate?dryRun=true"),
        await alice.post(f"{path}/encrypt?dryRun=true", json=plaintext),
    ]
    assert [answer.status_code for answer in told] == [200] * 5
    assert [answer.json()["allowed"] for answer in told] == [True, True, True, True, False]
    assert told[-1].json()["reason"] == "Cannot encrypt with key in state PreActive"
    assert (await alice.get(path)).headers["etag"] == '"1"'
    done = await alice.post(f"{path}/activate?dryRun=false")
    assert done.json()["state"] == "Active"


@pytest.mark.parametrize(
    "query", ["dryRun=yes", "dryRun=", "dryRun", "dryRun=true&dryRun=true", "dryRun=TRUE", "dry=1"]
)
async def test_a_dry_run_has_one_spelling(
    alice: httpx.AsyncClient, key_id: str, query: str
) -> None:
    answer = await alice.post(f"/v1/keys/{key_id}/rotate?{query}")
    assert_refused(answer, 400, "BadRequest")


async def test_a_list_has_no_dry_run(alice: httpx.AsyncClient) -> None:
    assert_refused(await alice.get("/v1/keys?dryRun=true"), 400, "BadRequest")
    unknown = await alice.post("/v1/keys/00000000-0000-4000-8000-000000000000/rotate?dryRun=true")
    assert_refused(unknown, 404, "KeyNotFound")
