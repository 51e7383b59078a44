"""Batches: order kept, a result or an error for each item, one commit, and neighbours that go on."""

from __future__ import annotations

import asyncio
import json
import os
import time
from base64 import b64encode
from typing import Any

import httpx
import pytest

from aegis_kernel.engine.kernel import Kernel
from tests.support.wire import active_key, assert_refused, new_key

MIB = 1024 * 1024


def text(raw: bytes) -> str:
    return b64encode(raw).decode()


async def records(kernel: Kernel, key_id: str) -> list[dict[str, Any]]:
    page = await kernel.providers.journal.ledger(0, 100_000)
    rows: list[dict[str, Any]] = [json.loads(record.body) for record in page]
    return [row for row in rows if row.get("keyId") == key_id]


async def batch(client: httpx.AsyncClient, key_id: str, name: str, items: Any) -> Any:
    answer = await client.post(f"/v1/keys/{key_id}/{name}/batch", json={"items": items})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_a_batch_round_trip_keeps_order_contexts_and_references(
    alice: httpx.AsyncClient, kernel: Kernel
) -> None:
    key_id = await active_key(alice)
    messages = [os.urandom(n % 40) for n in range(100)]
    contexts = [{"row": str(n % 3), "note": "a:b"} for n in range(100)]
    sealed = await batch(
        alice,
        key_id,
        "encrypt",
        [
            {"plaintextBase64": text(m), "context": c, "reference": f"r{n}"}
            for n, (m, c) in enumerate(zip(messages, contexts, strict=True))
        ],
    )
    assert [item["reference"] for item in sealed] == [f"r{n}" for n in range(100)]
    assert len({item["ciphertextBase64"] for item in sealed}) == 100
    opened = await batch(
        alice,
        key_id,
        "decrypt",
        [
            {"ciphertextBase64": item["ciphertextBase64"], "context": c}
            for item, c in zip(sealed, contexts, strict=True)
        ],
    )
    assert [item["plaintextBase64"] for item in opened] == [text(m) for m in messages]
    assert "reference" not in opened[0]
    single = await alice.post(
        f"/v1/keys/{key_id}/decrypt",
        json={"ciphertextBase64": sealed[7]["ciphertextBase64"], "context": contexts[7]},
    )
    assert single.json()["plaintextBase64"] == text(messages[7])
    told = [
        (row["op"], row["outcome"], row["count"]) for row in (await records(kernel, key_id))[-3:-1]
    ]
    assert told == [("Encrypt", "Success", 100), ("Decrypt", "Success", 100)]


async def test_items_fail_alone_and_each_failure_has_a_record(
    alice: httpx.AsyncClient, kernel: Kernel
) -> None:
    key_id = await active_key(alice)
    (good,) = await batch(alice, key_id, "encrypt", [{"plaintextBase64": "aGk="}])
    damaged = good["ciphertextBase64"][:-4] + "AAA="
    before = len(await records(kernel, key_id))
    items = [
        {"ciphertextBase64": good["ciphertextBase64"], "reference": "good"},
        {"ciphertextBase64": damaged, "reference": "bad"},
        {"ciphertextBase64": good["ciphertextBase64"], "context": {"a": "b"}},
        {"ciphertextBase64": good["ciphertextBase64"]},
    ]
    results = await batch(alice, key_id, "decrypt", items)
    assert [result.get("plaintextBase64") for result in results] == ["aGk=", None, None, "aGk="]
    assert results[1]["reference"] == "bad"
    assert [result.get("error") for result in results[1:3]] == ["DecryptionFailed"] * 2
    assert "EncryptionContext mismatch" in results[2]["message"]
    rows = (await records(kernel, key_id))[before:]
    assert [(row["outcome"], row.get("count")) for row in rows] == [
        ("Success", 2),
        ("DecryptionFailed", None),
        ("DecryptionFailed", None),
    ]
    assert len({row["eventId"] for row in rows}) == 3
    assert {row["requestId"] for row in rows} == {rows[0]["requestId"]}


async def test_a_verify_that_says_no_is_a_result_with_a_record(
    alice: httpx.AsyncClient, kernel: Kernel
) -> None:
    key_id = await active_key(alice)
    signed = await batch(
        alice,
        key_id,
        "sign",
        [{"messageBase64": text(b"%d" % n), "algorithm": "EcdsaSha256"} for n in range(3)],
    )
    asked = [
        {
            "messageBase64": text(b"%d" % n),
            "algorithm": "EcdsaSha256",
            "signatureBase64": signed[min(n, 1)]["signatureBase64"],
        }
        for n in range(3)
    ]
    results = await batch(alice, key_id, "verify", asked)
    assert [result["valid"] for result in results] == [True, True, False]
    rows = (await records(kernel, key_id))[-2:]
    assert [(row["outcome"], row.get("count")) for row in rows] == [
        ("Success", 2),
        ("InvalidSignature", None),
    ]


async def test_a_batch_of_failures_alone_counts_no_success(
    alice: httpx.AsyncClient, kernel: Kernel
) -> None:
    key_id = await active_key(alice)
    results = await batch(alice, key_id, "decrypt", [{"ciphertextBase64": "AQEB"}] * 2)
    assert [result["error"] for result in results] == ["DecryptionFailed"] * 2
    rows = (await records(kernel, key_id))[-2:]
    assert [row["outcome"] for row in rows] == ["DecryptionFailed"] * 2


async def test_a_batch_that_is_not_allowed_is_refused_whole(
    alice: httpx.AsyncClient, kernel: Kernel
) -> None:
    key_id = await new_key(alice)
    body = {"items": [{"plaintextBase64": "aA=="}] * 3}
    path = f"/v1/keys/{key_id}/encrypt/batch"
    assert_refused(await alice.post(path, json=body), 409, "IllegalOperation")
    assert (await records(kernel, key_id))[-1]["outcome"] == "IllegalOperation"
    tried = await alice.post(f"{path}?dryRun=true", json=body)
    assert tried.json()["allowed"] is False
    late = await alice.post(path, json=body, headers={"If-Match": '"9"'})
    assert_refused(late, 412, "PreconditionFailed")


ITEM = {"plaintextBase64": "aA=="}
BAD: dict[str, Any] = {
    "no items": {},
    "an empty list": {"items": []},
    "501 items": {"items": [ITEM] * 501},
    "an item that is none": {"items": [ITEM, None]},
    "an unknown field": {"items": [ITEM | {"more": 1}]},
    "an empty reference": {"items": [ITEM | {"reference": ""}]},
    "a long reference": {"items": [ITEM | {"reference": "x" * 257}]},
    "other base64": {"items": [ITEM, {"plaintextBase64": "aB=="}]},
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
async def test_a_batch_is_as_strict_as_a_single_request(
    alice: httpx.AsyncClient, key_id: str, body: Any
) -> None:
    answer = await alice.post(f"/v1/keys/{key_id}/encrypt/batch", json=body)
    assert_refused(answer, 400, "BadRequest")


async def test_a_member_that_comes_twice_in_an_item_is_refused(
    alice: httpx.AsyncClient, key_id: str
) -> None:
    body = b'{"items":[{"plaintextBase64":"aA==","plaintextBase64":"aA=="}]}'
    headers = {"Content-Type": "application/json"}
    path = f"/v1/keys/{key_id}/encrypt/batch"
    assert_refused(await alice.post(path, content=body, headers=headers), 400, "BadRequest")


async def test_only_a_batch_may_have_a_body_of_a_mebibyte(
    alice: httpx.AsyncClient, key_id: str
) -> None:
    item = {"plaintextBase64": text(bytes(64 * 1024))}
    large = await alice.post(f"/v1/keys/{key_id}/encrypt/batch", json={"items": [item] * 11})
    assert large.status_code == 200
    path = f"/v1/keys/{key_id}/encrypt/batch"
    too_large = await alice.post(path, json={"items": [item] * 13})
    assert_refused(too_large, 413, "PayloadTooLarge")
    over = {"plaintextBase64": text(bytes(64 * 1024 + 1))}
    assert_refused(await alice.post(path, json={"items": [over]}), 413, "PayloadTooLarge")
    single = await alice.post(
        f"/v1/keys/{key_id}/encrypt", json=item | {"context": {"x": "y" * 60_000}}
    )
    assert_refused(single, 413, "PayloadTooLarge")


async def test_a_batch_does_not_hold_up_its_neighbours(
    alice: httpx.AsyncClient, key_id: str
) -> None:
    rsa = await new_key(alice, algorithm="RSA", sizeBits=2048)
    await alice.post(f"/v1/keys/{rsa}/activate")
    items = [{"messageBase64": "aA==", "algorithm": "RsaPssSha256"}] * 500
    signing = asyncio.ensure_future(batch(alice, rsa, "sign", items))
    waits = []
    while not signing.done():
        started = time.perf_counter()
        answer = await alice.post(f"/v1/keys/{key_id}/encrypt", json=ITEM)
        assert answer.status_code == 200
        waits.append(time.perf_counter() - started)
    assert len(await signing) == 500
    assert len(waits) > 20
    # Alone it takes about a millisecond; half a second would be the whole batch.
    assert sorted(waits)[len(waits) // 2] < 0.1
