"""Bodies that are no request: refused, each of them, with the one shape, and nothing else happens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.outside.bodies import hostile, noise
from tests.outside.judge import Judge
from tests.outside.secured import active_key, bearer, client
from tests.outside.sockets import Line, request
from tests.support.server import Server

CREATE = {"spec": {"algorithm": "AES", "name": "x", "sizeBits": 256}}
ENCRYPT = {"plaintextBase64": "aGVsbG8=", "context": {"a": "b"}}


class Sender:
    """Sends bodies to one path, and has every answer judged."""

    def __init__(self, server: Server, judge: Judge) -> None:
        self._line = Line(server.url)
        self._judge = judge
        self._bearer = bearer()
        with client(server) as http:
            self.key_id = active_key(http)

    def send(self, path: str, body: bytes) -> int:
        """Return the status of the answer."""
        answer = self._line.ask(request("POST", path, self._bearer, body))
        assert answer is not None, (path, body[:200])
        self._judge.judge("POST", path, answer)
        return answer.status

    def close(self) -> None:
        self._line.close()


@pytest.fixture
def sender(target: Server, judge: Judge) -> Iterator[Sender]:
    sender = Sender(target, judge)
    yield sender
    sender.close()


def paths(key_id: str) -> dict[str, dict[str, Any]]:
    """Return the paths, with a body that each of them accepts."""
    return {"/v1/keys": CREATE, f"/v1/keys/{key_id}/encrypt": ENCRYPT}


def test_every_hostile_body_is_refused(sender: Sender, judge: Judge) -> None:
    for path, sound in paths(sender.key_id).items():
        assert sender.send(path, json.dumps(sound).encode()) < 300
        for what, body in hostile(sound):
            assert sender.send(path, body) in (400, 413), (path, what, body[:200])
    assert judge.seen[400] >= 300
    assert judge.seen[413] >= 2 * len(paths(""))


def test_noise_is_refused_whatever_it_is_sent_to(sender: Sender, judge: Judge) -> None:
    endpoints = ("sign", "verify", "decrypt", "unwrap", "wrap", "rotate", "compromise", "activate")
    for number, body in enumerate(noise(240, seed=20260509)):
        path = f"/v1/keys/{sender.key_id}/{endpoints[number % len(endpoints)]}"
        assert sender.send(path, body) == 400, (path, body)
    assert judge.seen[400] == 240
