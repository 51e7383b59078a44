"""The edge: ids, limits, media types, HEAD, and the last catch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.rest.answer import json_answer
from aegis_kernel.rest.body import read_body
from aegis_kernel.rest.edge import Edge, Limits
from tests.support.wire import assert_refused

SMALL = Limits(body_bytes=1000, drain_bytes=5000, body_seconds=0.05, requests_in_flight=2)
JSON = {"Content-Type": "application/json"}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with how long the body was."""
    body = await read_body(receive)
    await json_answer(200, b"%d" % len(body))(scope, receive, send)


async def deaf(scope: Any, receive: Any, send: Any) -> None:
    """Answers without looking at the body."""
    await json_answer(200, b"{}")(scope, receive, send)


def through(app: Any, limits: Limits = SMALL) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Edge(app, limits))
    return httpx.AsyncClient(transport=transport, base_url="http://aegis")


async def chunks(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield bytes(size)


async def test_every_answer_has_an_id_of_its_own(alice: httpx.AsyncClient) -> None:
    paths = ["/v1/keys", "/v1/nothing", "/docs/", "/livez"] * 50
    ids = [(await alice.get(path)).headers["x-request-id"] for path in paths]
    assert len(set(ids)) == len(ids)
    assert all(len(each) == 32 and int(each, 16) >= 0 for each in ids)


async def test_the_ids_tell_not_how_many_requests_there_were() -> None:
    async with through(deaf) as client:
        first, second = [int((await client.get("/")).headers["x-request-id"], 16) for _ in "ab"]
    assert abs(second - first) > 2**32
    async with through(deaf) as client:
        another = int((await client.get("/")).headers["x-request-id"], 16)
    assert another >> 64 != first >> 64


async def test_a_callers_request_id_is_not_taken_over(alice: httpx.AsyncClient) -> None:
    headers = {"X-Request-Id": "forged"}
    response = await alice.get("/v1/keys", headers=headers)
    assert response.headers.get_list("x-request-id") != ["forged"]
    assert len(response.headers.get_list("x-request-id")) == 1


@pytest.mark.parametrize("size", [0, 1, 999, 1000])
async def test_a_body_within_the_limit_passes(size: int) -> None:
    async with through(echo) as client:
        assert (await client.post("/", content=bytes(size), headers=JSON)).json() == size
        assert (await client.post("/", content=chunks(size), headers=JSON)).json() == size


async def test_a_body_that_says_it_is_too_long_is_refused_unread() -> None:
    async with through(deaf) as client:
        response = await client.post("/", content=bytes(1001), headers=JSON)
    assert_refused(response, 413, "PayloadTooLarge")
    assert "connection" not in response.headers  # it is short enough to be thrown away


async def test_a_very_long_body_ends_the_connection() -> None:
    async with through(deaf) as client:
        response = await client.post("/", content=bytes(5001), headers=JSON)
    assert_refused(response, 413, "PayloadTooLarge")
    assert response.headers["connection"] == "close"


async def test_a_body_in_chunks_is_counted_and_ends_the_connection() -> None:
    async with through(echo) as client:
        response = await client.post("/", content=chunks(600, 401, 10**6), headers=JSON)
    assert_refused(response, 413, "PayloadTooLarge")
    assert response.headers["connection"] == "close"


async def test_an_answer_before_the_end_of_an_endless_body_ends_the_connection() -> None:
    async with through(deaf) as client:
        response = await client.post("/", content=chunks(1, 1), headers=JSON)
    assert response.headers["connection"] == "close"


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(30)

    async with through(echo) as client:
        async with asyncio.timeout(5):
            response = await client.post("/", content=slow(), headers=JSON)
        assert_refused(response, 400, "BadRequest")
        assert response.headers["connection"] == "close"
        # The task that was interrupted is well, and so is the next one.
        assert (await client.post("/", content=b"{}", headers=JSON)).json() == 2


async def test_a_task_whose_body_was_late_can_go_on() -> None:
    async def patient(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(BadRequestError):
            await read_body(receive)
        task = asyncio.current_task()
        assert task is not None
        await json_answer(200, b"%d" % task.cancelling())(scope, receive, send)

    async def silent() -> AsyncIterator[bytes]:
        await asyncio.sleep(30)
        yield b""

    async with through(patient) as client, asyncio.timeout(5):
        assert (await client.post("/", content=silent(), headers=JSON)).json() == 0


async def test_the_deadline_is_for_the_whole_body_not_for_each_piece() -> None:
    async def dripping() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.02)

    async with through(echo) as client, asyncio.timeout(5):
        response = await client.post("/", content=dripping(), headers=JSON)
    assert_refused(response, 400, "BadRequest")


async def test_a_client_that_goes_away_is_not_mistaken_for_a_slow_one() -> None:
    started = asyncio.Event()

    async def never(scope: Any, receive: Any, send: Any) -> None:
        started.set()
        await receive()

    async def silent() -> Any:
        await asyncio.sleep(30)

    edge = Edge(never, Limits())
    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    task = asyncio.create_task(edge(scope, silent, silent))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"},
     {"Content-Type": "application/jsonp"}, {"Content-Type": "application/json; charset=latin-1"},
     {"Content-Type": "multipart/form-data; boundary=x"}, {"Content-Type": "application/xml"},
     JSON | {"Content-Encoding": "gzip"}, JSON | {"Content-Encoding": "identity, gzip"}],
)  # fmt: skip
async def test_a_body_is_plain_json_or_nothing(headers: dict[str, str]) -> None:
    async with through(echo) as client:
        for content in (b"{}", chunks(2)):
            response = await client.post("/", content=content, headers=headers)
            assert_refused(response, 415, "UnsupportedMediaType")


@pytest.mark.parametrize(
    "headers",
    [JSON, {"Content-Type": "application/json; charset=utf-8"}, {"Content-Type": "APPLICATION/JSON"},
     {"Content-Type": 'application/json;charset="UTF-8"'}, JSON | {"Content-Encoding": "identity"}],
)  # fmt: skip
async def test_json_may_be_said_in_these_ways(headers: dict[str, str]) -> None:
    async with through(echo) as client:
        assert (await client.post("/", content=b"{}", headers=headers)).json() == 2


async def test_without_a_body_the_content_type_does_not_matter() -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "0"}
    async with through(echo) as client:
        assert (await client.post("/", headers=form)).json() == 0
        assert (await client.post("/")).json() == 0


async def test_requests_beyond_the_cap_are_told_to_come_back_but_probes_are_answered() -> None:
    gate = asyncio.Event()

    async def waiting(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await gate.wait()
        await deaf(scope, receive, send)

    async with through(waiting) as client:
        slow = [asyncio.create_task(client.get("/slow")) for _ in range(2)]
        await asyncio.sleep(0.01)
        refused = await client.get("/v1/keys")
        assert_refused(refused, 503, "Unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        gate.set()
        assert [response.status_code for response in await asyncio.gather(*slow)] == [200, 200]
        assert (await client.get("/v1/keys")).status_code == 200


async def test_head_is_get_without_its_body(alice: httpx.AsyncClient) -> None:
    for path in ("/docs/", "/v1/keys", "/livez"):
        get, head = await alice.get(path), await alice.head(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        different = {"x-request-id"}
        assert {k: v for k, v in head.headers.items() if k not in different} == {
            k: v for k, v in get.headers.items() if k not in different
        }


async def test_no_byte_of_a_body_is_sent_for_head() -> None:
    sent: list[Any] = []

    async def nothing() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    await Edge(deaf, SMALL)(
        {"type": "http", "method": "HEAD", "path": "/", "headers": []}, nothing, send
    )
    assert (b"content-length", b"2") in sent[0]["headers"]
    assert [message["body"] for message in sent[1:]] == [b""]


async def test_whatever_breaks_is_one_answer_and_one_log_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("the table aegis_streams has no column hunter2")

    async with through(broken) as client:
        with caplog.at_level(logging.ERROR, "aegis"):
            response = await client.get("/")
    assert_refused(response, 500, "InternalError")
    assert "hunter2" not in response.text
    assert response.headers["x-request-id"] in response.json()["message"]
    assert response.headers["x-request-id"] in caplog.text


async def test_what_breaks_after_the_answer_began_is_left_to_the_server() -> None:
    async def broken_late(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("too late")

    async with through(broken_late) as client:
        with pytest.raises(ValueError, match="too late"):
            await client.get("/")


async def test_what_breaks_inside_a_handler_is_one_answer_too(
    kernel: Any, alice: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*arguments: Any) -> None:
        raise OSError("/var/lib/aegis is gone")

    monkeypatch.setattr(kernel.pipeline, "run", broken)
    response = await alice.get("/v1/keys")
    assert_refused(response, 500, "InternalError")
    assert "/var/lib" not in response.text


async def test_websockets_are_closed() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await Edge(echo, SMALL)({"type": "websocket", "path": "/", "headers": []}, None, send)
    assert sent == ["websocket.close"]


async def test_whoever_waits_for_a_body_takes_no_place_from_whoever_is_at_work() -> None:
    refused: list[int] = []
    limits = Limits(requests_at_work=2, requests_in_flight=100)
    edge = Edge(echo, limits, lambda: refused.append(1))
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/keys",
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"9")],
    }

    async def never() -> Any:
        await asyncio.Event().wait()

    async def drop(message: Any) -> None: ...

    slow = [asyncio.create_task(edge(dict(scope), never, drop)) for _ in range(20)]
    await asyncio.sleep(0.05)
    answers: list[Any] = []

    async def body() -> Any:
        return {"type": "http.request", "body": b"123456789", "more_body": False}

    async def keep(message: Any) -> None:
        answers.append(message)

    await edge(dict(scope), body, keep)
    assert (answers[0]["status"], refused) == (200, [])
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
