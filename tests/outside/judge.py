"""Holds every answer against the server's own document."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.outside.sockets import Answer

LONGEST_SECONDS = 5.0

# What every path may answer, also those that the document does not have.
EVERYWHERE: Mapping[int, frozenset[str]] = {
    400: frozenset({"BadRequest"}),
    401: frozenset({"Unauthorized"}),
    404: frozenset({"NotFound"}),
    405: frozenset({"MethodNotAllowed"}),
    413: frozenset({"PayloadTooLarge"}),
    415: frozenset({"UnsupportedMediaType"}),
}


class Judge:
    """Raises AssertionError at the first fault. Counts what it has judged, by status."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._operations = [
            (method.upper(), re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]
        self.seen: Counter[int] = Counter()

    @property
    def count(self) -> int:
        return self.seen.total()

    def judge(self, method: str, target: str, answer: Answer) -> None:
        """Take one answer to a request that was HTTP."""
        self.seen[answer.status] += 1
        what = (method, target[:200], answer.status, answer.body[:500])
        assert answer.status < 500, what
        assert answer.seconds < LONGEST_SECONDS, what
        assert re.fullmatch("[0-9a-f]{32}", answer.headers.get("x-request-id", "")), what
        documented = self._documented(method, target)
        if answer.status < 300:
            assert answer.status in documented or (method, answer.status) == ("OPTIONS", 204), what
            return
        allowed = _codes(documented.get(answer.status, {})) | EVERYWHERE.get(
            answer.status, frozenset()
        )
        assert allowed, what
        assert answer.headers["content-type"] == "application/json", what
        if method != "HEAD":
            _judge_error(answer.body, allowed, what)

    def _documented(self, method: str, target: str) -> dict[int, Any]:
        path = _as_routed(target)
        for known, pattern, operation in self._operations:
            if known == method.replace("HEAD", "GET") and pattern.fullmatch(path):
                return {int(status): what for status, what in operation["responses"].items()}
        return {200: {}} if path.startswith("/docs") else {}


def _as_routed(target: str) -> str:
    # Repeated slashes count as one, one at the end as none, and encoded ones are in a segment.
    path = target.partition("?")[0] if target.startswith("/") else urlsplit(target).path
    decoded = unquote(re.sub("%2f", "_", path, flags=re.IGNORECASE), errors="replace")
    return re.sub("/+", "/", decoded).rstrip("/") or "/"


def _codes(response: dict[str, Any]) -> frozenset[str]:
    return frozenset(response.get("content", {}).get("application/json", {}).get("examples", {}))


def _judge_error(body: bytes, allowed: frozenset[str], what: object) -> None:
    told = json.loads(body)
    assert list(told) == ["error", "message"], what
    assert told["error"] in allowed, what
    assert isinstance(told["message"], str), what
    assert 0 < len(told["message"]) <= 400, what
