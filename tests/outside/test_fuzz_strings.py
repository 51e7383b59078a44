"""The Big List of Naughty Strings in every field, path, query and header."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.outside.judge import Judge
from tests.outside.secured import active_key, bearer, client
from tests.outside.sockets import Answer, Line, request
from tests.support.server import Server

NAUGHTY: list[str] = json.loads(
    (Path(__file__).parents[1] / "data" / "naughty" / "blns.json").read_text(encoding="utf-8")
)
NOBODY = "8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"
SPEC = {"name": "naughty", "algorithm": "AES", "sizeBits": 128}


class Caller:
    """Asks, has every answer judged, and returns its status and what it says."""

    def __init__(self, server: Server, judge: Judge) -> None:
        self._line = Line(server.url)
        self._judge = judge
        self._bearer = bearer()
        with client(server) as http:
            self.key_id = active_key(http)
            self.unused_id = http.post("/v1/keys", json={"spec": SPEC}).json()["id"]

    def post(self, path: str, body: Any, **headers: bytes) -> tuple[int, Any]:
        return self._ask("POST", path, headers, json.dumps(body).encode())

    def get(self, path: str, **headers: bytes) -> tuple[int, Any]:
        return self._ask("GET", path, headers)

    def close(self) -> None:
        self._line.close()

    def _ask(
        self, method: str, path: str, headers: dict[str, bytes], body: bytes = b""
    ) -> tuple[int, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self._line.ask(request(method, path, self._bearer | named, body))
        assert isinstance(answer, Answer), (method, path)
        self._judge.judge(method, path, answer)
        return answer.status, json.loads(answer.body)


@pytest.fixture
def caller(target: Server, judge: Judge) -> Iterator[Caller]:
    caller = Caller(target, judge)
    yield caller
    caller.close()


def is_text(text: str, least: int, most: int) -> bool:
    return least <= len(text) <= most and "\0" not in text


def as_header(text: str) -> bytes:
    """Return what of it can stand in a header at all."""
    return "".join(c for c in text if c.isprintable() and c not in "\r\n\x7f").encode()


def test_naughty_strings_in_fields_are_kept_exactly_or_refused(
    caller: Caller, judge: Judge
) -> None:
    for text in NAUGHTY:
        spec = SPEC | {"name": text}
        body = {"spec": spec, "description": text, "tags": {"naughty": text}}
        status, told = caller.post("/v1/keys", body)
        assert status == (201 if is_text(text, 1, 256) else 400), text
        if status == 201:
            kept = (told["spec"]["name"], told["description"], told["tags"]["naughty"])
            assert kept == (text, text, text)
        is_key = is_text(text, 1, 128) and "=" not in text
        status, _ = caller.post("/v1/keys", {"spec": SPEC, "tags": {text: "v"}})
        assert status == (201 if is_key else 400), text
        status, _ = caller.post(f"/v1/keys/{caller.unused_id}/deactivate", {"reason": text})
        assert status == (409 if is_text(text, 1, 1024) else 400), text
        for field in ("algorithm", "objectType", "sizeBits", "curve", text):
            assert caller.post("/v1/keys", {"spec": SPEC | {field: text}})[0] in (201, 400)
        assert caller.post("/v1/keys", {"spec": SPEC, "rootOfTrust": text})[0] == 400
    assert judge.count >= 4_000


def test_naughty_contexts_bind_as_well_as_any(caller: Caller, judge: Judge) -> None:
    path = f"/v1/keys/{caller.key_id}"
    for text in NAUGHTY:
        body = {"plaintextBase64": "bmF1Z2h0eQ==", "context": {text: text, "": text}}
        status, told = caller.post(f"{path}/encrypt", body)
        assert status == 200, (text, told)
        body = {"ciphertextBase64": told["ciphertextBase64"], "context": body["context"]}
        assert caller.post(f"{path}/decrypt", body)[1]["plaintextBase64"] == "bmF1Z2h0eQ=="
        assert caller.post(f"{path}/encrypt", {"plaintextBase64": text})[0] in (200, 400)
        body = {"messageBase64": text, "signatureBase64": text, "algorithm": text}
        assert caller.post(f"{path}/verify", body)[0] == 400
    assert judge.count >= 2_000


def test_naughty_paths_and_queries_are_found_nowhere_and_break_nothing(
    caller: Caller, judge: Judge
) -> None:
    for text in NAUGHTY:
        quoted = quote(text, safe="")
        assert caller.get(f"/v1/keys/{NOBODY}{quoted}")[0] == 404
        assert caller.post(f"/v1/keys/{quoted}/sign", {})[0] in (400, 404, 405)
        assert caller.get(f"/{quoted}")[0] in (200, 404)
        expected = 200 if is_text(text, 1, 256) else 400
        assert caller.get(f"/v1/keys?limit=1&name={quoted}")[0] == expected, text
        assert caller.get(f"/v1/keys?limit=1&tag={quoted}")[0] in (200, 400)
        assert caller.get(f"/v1/keys?limit={quoted}&cursor={quoted}&state={quoted}")[0] == 400
        assert caller.get(f"/v1/keys?{quoted}=1")[0] == 400
    assert judge.count >= 3_000


def test_naughty_headers_are_nobody_and_change_nothing(caller: Caller, judge: Judge) -> None:
    for text in NAUGHTY:
        value = as_header(text)
        assert caller.get("/v1/keys?limit=1", Authorization=b"Bearer " + value)[0] == 401
        ignored = ("traceparent", "tracestate", "X_Aegis_User", "X_Request_Id", "Accept", "Cookie")
        headers = dict.fromkeys(ignored, value)
        assert caller.get(f"/v1/keys/{caller.key_id}", **headers)[0] == 200
        assert caller.get("/livez", Host=value)[0] in (200, 400)
    assert judge.count >= 1_500
