"""Methods, paths, headers and framing as no client should send them, on sockets of our own."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator

import pytest

from tests.outside.judge import Judge
from tests.outside.secured import bearer
from tests.outside.sockets import Answer, Line, request
from tests.support.server import Server

NOBODY = "8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"
METHODS = (
    *("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"),
    *("PROPFIND", "MKCOL", "PURGE", "QUERY", "LOCK", "SEARCH", "UNSUBSCRIBE"),
)
PATHS = (
    *("/", "/v1", "/v1/", "/v1/keys", "/v1/keys/", "//v1//keys", f"/v1/keys/{NOBODY}"),
    *(f"/v1/keys/{NOBODY}/sign", f"/v1/keys/{NOBODY}/rotate/", "/v1/plugins", "/v1/audit"),
    *("/docs", "/docs/", "/docs/docs.json", "/docs/nothing", "/docs/assets/../../x", "/metrics"),
    *("/healthz", "/livez", "/readyz", "/favicon.ico", "/.git/config", "/openapi.json"),
)
ODD_PATHS = (
    *("/v1/keys/..", "/v1/keys/../keys", "/docs/../v1/keys", "/docs/%2e%2e/v1/keys", "/docs/..;/"),
    *("/v1/keys/%00", "/v1/keys/%ff", "/v1/keys/%", "/v1/keys/%zz", "/v1/keys/%2", "/v1%2fkeys"),
    *("/v1/keys/a%0d%0aX-Injected:%20yes", "/v1/keys/{id}", "/v1/keys/*", "/v1/keys/~", "/;/?&#"),
    *("/V1/KEYS", "/v1/keys;a=b", "/v1/keys,", "/v1/keys.json", "/%76%31/keys", "/\\v1\\keys"),
    *("/v1/keys?" + "a=b&" * 400, "/v1/keys?" + "limit=1&" * 40, "/v1/keys?=", "/v1/keys?&&&"),
    *(
        "/v1/keys?name=%ff",
        "/v1/keys?%c0%af=1",
        "/v1/keys?name=\x00",
        "/v1/keys?limit=" + "1" * 5_000,
    ),
    *("/v1/keys?%00=%00", "/v1/keys?limit=%31", "/v1/keys?limit", "/v1/keys?limit=1;cursor=1"),
    *("/" + "a" * 30_000, "/v1/keys/" + "%41" * 10_000, "/v1/keys/" + "../" * 3_000),
    *(f"/v1/keys/{NOBODY.upper()}", f"/v1/keys/{NOBODY} ", f"/v1/keys/{{{NOBODY}}}"),
    *("http://elsewhere/v1/keys", "http://user:pass@aegis/v1/keys", "//elsewhere/v1/keys"),
)
HEAD = b"POST /v1/keys HTTP/1.1\r\nHost: aegis\r\n"
GET = b"GET /livez HTTP/1.1\r\nHost: aegis\r\n"
# Complete, and wrong: whoever sends these gets an answer, or the end of the line.
FRAMES = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /livez\r\n\r\n",
    "HTTP/9.9": b"GET /livez HTTP/9.9\r\n\r\n",
    "no version": b"GET /livez HTTP/\r\n\r\n",
    "a method in lower case": b"get /livez HTTP/1.1\r\n\r\n",
    "an unknown method": b"BREW /pot HTTP/1.1\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\n\r\n",
    "a path without slash": b"GET livez HTTP/1.1\r\n\r\n",
    "spaces in a path": b"GET /li vez HTTP/1.1\r\n\r\n",
    "raw bytes in a path": b"GET /\xff\xfe\x80 HTTP/1.1\r\n\r\n",
    "NUL in a path": b"GET /\0 HTTP/1.1\r\n\r\n",
    "every path": b"OPTIONS * HTTP/1.1\r\nHost: aegis\r\n\r\n",
    "a tunnel": b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere\r\n\r\n",
    "a header without colon": GET + b"Nonsense\r\n\r\n",
    "a header without name": GET + b": nothing\r\n\r\n",
    "a space before the colon": GET + b"Accept : */*\r\n\r\n",
    "a folded header": GET + b"Accept: a\r\n b\r\n\r\n",
    "NUL in a header": GET + b"Accept: a\0b\r\n\r\n",
    "NUL in a name": GET + b"Acc\0ept: a\r\n\r\n",
    "raw bytes in a header": GET + b"Accept: \xff\xfe\x80\r\n\r\n",
    "line feeds alone": b"GET /livez HTTP/1.1\nHost: aegis\n\n",
    "carriage returns alone": b"GET /livez HTTP/1.1\rHost: aegis\r\r" + b"\n\n",
    "2,000 headers": GET + b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(2_000)) + b"\r\n",
    "a long header": GET + b"X: " + b"x" * 60_000 + b"\r\n\r\n",
    "two hosts": GET + b"Host: elsewhere\r\n\r\n",
    "no host": b"GET /livez HTTP/1.1\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n{}",
    "a signed length": HEAD + b"Content-Length: +2\r\n\r\n{}",
    "a hexadecimal length": HEAD + b"Content-Length: 0x2\r\n\r\n{}",
    "a huge length": HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n{}",
    "a list of lengths": HEAD + b"Content-Length: 2, 2\r\n\r\n{}",
    "a length and chunks": HEAD
    + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks of no size": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "chunks of a huge size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 20 + b"\r\n",
    "chunks of a negative size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "chunks with a trailer": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n\r\n",
    "an unknown coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a coding twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "an unknown expectation": HEAD + b"Expect: the-unexpected\r\nContent-Length: 2\r\n\r\n{}",
    "a web socket": GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "HTTP/2 in clear": GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
}


@pytest.fixture
def line(target: Server) -> Iterator[Line]:
    line = Line(target.url)
    yield line
    line.close()


@pytest.mark.parametrize(
    ("headers", "seen"),
    [(bearer(), {200, 204, 405}), ({}, {200, 401})],
    ids=["alice", "nobody"],
)
def test_every_method_on_every_path_is_answered_as_documented(
    line: Line, judge: Judge, headers: dict[str, str], seen: set[int]
) -> None:
    for method, path in itertools.product(METHODS, PATHS):
        answer = line.ask(request(method, path, headers))
        assert answer is not None, (method, path)
        judge.judge(method, path, answer)
    assert judge.count == len(METHODS) * len(PATHS)
    assert seen <= set(judge.seen)


def test_odd_paths_lead_nowhere(line: Line, judge: Judge) -> None:
    for path in ODD_PATHS:
        for headers in ({}, bearer()):
            answer = line.ask(request("GET", path, headers))
            assert answer is not None, path
            assert "x-injected" not in answer.headers
            if answer.headers["content-type"].startswith("text/plain"):
                assert not_http(answer), (path, answer)
            else:
                judge.judge("GET", path, answer)
            if not headers:  # no spelling of a path opens what its own name keeps closed
                assert b'"items"' not in answer.body, path
    assert judge.count >= len(ODD_PATHS)


@pytest.mark.parametrize("what", FRAMES)
def test_what_is_hardly_http_is_answered_or_dropped(target: Server, what: str) -> None:
    line = Line(target.url)
    answer = line.ask(FRAMES[what])
    line.close()
    if answer is None or not_http(answer):
        return
    assert answer.status < 500, (what, answer)
    assert "x-request-id" in answer.headers, (what, answer)


@pytest.mark.parametrize("name", ["Authorization", "Content-Type", "X-Aegis-User", "Host"])
def test_a_header_that_comes_twice_lets_nobody_in(target: Server, judge: Judge, name: str) -> None:
    line = Line(target.url)
    one = bearer()["Authorization"]
    twice = f"{name}: {one}\r\n{name}: {one}\r\n"
    answer = line.ask(f"GET /v1/keys HTTP/1.1\r\n{twice}\r\n".encode())
    line.close()
    assert answer is not None
    judge.judge("GET", "/v1/keys", answer)
    assert answer.status in (400, 401)


def test_a_smuggled_request_is_never_answered(target: Server) -> None:
    inner = b"GET /docs/docs.json HTTP/1.1\r\nHost: aegis\r\n\r\n"
    known = f"Authorization: {bearer()['Authorization']}\r\nContent-Type: application/json\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n"
    for framing in (
        b"Content-Length: %d\r\n" % (5 + len(inner)) + chunked,
        chunked + b"Content-Length: 5\r\n",
        b"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n",
        b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
    ):
        heard = everything(target, HEAD + known.encode() + framing + b"\r\n0\r\n\r\n" + inner)
        assert b"openapi" not in heard, framing


def not_http(answer: Answer) -> bool:
    """Whether this is uvicorn's own answer to what it cannot read."""
    return (
        answer.status,
        answer.headers.get("content-type"),
        answer.headers.get("connection"),
    ) == (
        400,
        "text/plain; charset=utf-8",
        "close",
    )


def everything(server: Server, sent: bytes) -> bytes:
    """Return all that the server says to these bytes, until it closes or falls silent."""
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 0.5) as line:
        line.sendall(sent)
        heard = b""
        try:
            while part := line.recv(65_536):
                heard += part
        except TimeoutError:
            pass
        return heard
