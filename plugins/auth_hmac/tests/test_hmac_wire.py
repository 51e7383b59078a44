"""Over real sockets: one and the same 401 for whatever is wrong, and nothing that leads around it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from aegis_kernel.testing.doubles import ManualClock
from tests.support.kernel import running_kernel
from tests.support.sockets import Answer, answer, connection, serving

from .forge import GOOD, NOW, SECRET, with_claims
from .tokens import ACCEPTED, NOT_MINE, REFUSED

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEARER = b"Authorization: Bearer "
# HTTP has no such header values (RFC 9110 §5.5): what comes of them is shown below.
UNSENDABLE = {"a newline behind the token", "a NUL in the token"}
SENT = {
    **{name: BEARER + token for name, (token, _) in REFUSED.items() if name not in UNSENDABLE},
    **{name: BEARER + token for name, token in NOT_MINE.items()},
    "the subject of the kernel itself": BEARER + with_claims(sub="aegis"),
    "no credential": b"X-Nothing: 1",
    "no scheme": b"Authorization: " + GOOD,
    "no value": b"Authorization:",
    "another scheme": b"Authorization: Basic YWxpY2U6eA==",
    "a proxy's scheme": b"Proxy-Authorization: Bearer " + GOOD,
    "two spaces": b"Authorization: Bearer  " + GOOD,
    "a tab": b"Authorization: Bearer\t" + GOOD,
    "twice the same": BEARER + GOOD + b"\r\n" + BEARER + GOOD,
    "a good one, then a bad one": BEARER + GOOD + b"\r\nauthorization: Bearer x",
    "a bad one, then a good one": b"AUTHORIZATION: Bearer x\r\n" + BEARER + GOOD,
    "the header of dev mode": b"X-Aegis-User: alice",
    "the header of dev mode beside a bad token": b"X-Aegis-User: alice\r\n" + BEARER + b"x",
    "a token in a cookie": b"Cookie: access_token=" + GOOD,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def port(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[int]:
    environment = {"AEGIS_AUTH_KIND": "hmac", "AEGIS_AUTH_HMAC_SECRET": SECRET.decode()}
    place: Path = tmp_path_factory.mktemp("data")
    async with (
        running_kernel(place, ManualClock(float(NOW)), **environment) as kernel,
        serving(kernel) as port,
    ):
        yield port


async def ask(port: int, lines: bytes, target: bytes = b"/v1/keys") -> Answer:
    async with connection(port) as (reader, writer):
        writer.write(b"GET " + target + b" HTTP/1.1\r\nHost: aegis\r\n" + lines + b"\r\n\r\n")
        status, headers, body = await answer(reader)
    assert len(headers.pop("x-request-id", "")) in (0, 32)
    headers.pop("date", None)
    return status, headers, body


@pytest.mark.parametrize("lines", SENT.values(), ids=SENT)
async def test_whatever_is_wrong_the_answer_is_the_same(port: int, lines: bytes) -> None:
    assert await ask(port, lines) == (
        401,
        {
            "content-type": "application/json",
            "content-length": "67",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "server": "uvicorn",
            "www-authenticate": 'Bearer realm="aegis"',
        },
        b'{"error":"Unauthorized","message":"Missing or invalid credentials"}',
    )


@pytest.mark.parametrize("token", ACCEPTED.values(), ids=ACCEPTED)
async def test_a_token_without_that_defect_is_let_in(port: int, token: bytes) -> None:
    assert (await ask(port, BEARER + token))[0] == 200


async def test_the_header_of_dev_mode_says_nothing_beside_a_good_token(port: int) -> None:
    lines = BEARER + GOOD + b"\r\nX-Aegis-User: root\r\nContent-Type: application/json"
    body = b'{"spec":{"name":"mine","algorithm":"AES","sizeBits":256}}'
    async with connection(port) as (reader, writer):
        length = b"\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(b"POST /v1/keys HTTP/1.1\r\nHost: aegis\r\n" + lines + length + body)
        status, _, made = await answer(reader)
    assert status == 201
    key = await ask(port, lines, b"/v1/keys/" + json.loads(made)["id"].encode())
    assert json.loads(key[2])["owner"] == "alice"


async def test_a_token_in_the_query_is_no_credential(port: int) -> None:
    assert (await ask(port, b"X-Nothing: 1", b"/v1/keys?access_token=" + GOOD))[0] == 401


@pytest.mark.parametrize(
    "lines",
    [
        BEARER + GOOD[:9] + b"\x00" + GOOD[10:],
        BEARER + GOOD[:9] + b"\n" + GOOD[9:],
        BEARER + GOOD[:9] + b"\r" + GOOD[9:],
        b"Authorization : Bearer " + GOOD,
        BEARER + GOOD[:9] + b"\r\n " + GOOD[9:],
    ],
    ids=["NUL", "newline", "carriage return", "space before the colon", "folded"],
)
async def test_what_is_no_header_of_http_is_refused(port: int, lines: bytes) -> None:
    assert (await ask(port, lines))[0] in (400, 401)
