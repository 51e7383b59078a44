"""One error shape everywhere, and nothing in it that is ours alone to know."""

from __future__ import annotations

import logging

import httpx
import pytest

from aegis_kernel.domain import errors
from aegis_kernel.domain.errors import AegisError
from aegis_kernel.rest.errors import STATUS, answer_to
from tests.support.wire import assert_refused, new_key

ID = "8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/key", "/v1/keys/a/b", "/docs/x", "/docs/x.html"])
async def test_an_unknown_path_is_not_found(alice: httpx.AsyncClient, path: str) -> None:
    assert_refused(await alice.get(path), 404, "NotFound")


async def test_an_unknown_key_is_not_found(alice: httpx.AsyncClient) -> None:
    assert_refused(await alice.get(f"/v1/keys/{ID}"), 404, "KeyNotFound")
    assert_refused(await alice.post(f"/v1/keys/{ID}/activate"), 404, "KeyNotFound")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("PUT", "/v1/keys", "GET, HEAD, OPTIONS, POST"), ("PATCH", "/livez", "GET, HEAD, OPTIONS"),
     ("GET", f"/v1/keys/{ID}/sign", "OPTIONS, POST"), ("POST", "/docs/", "GET, HEAD, OPTIONS"),
     ("POST", f"/v1/keys/{ID}", "DELETE, GET, HEAD, OPTIONS, PATCH"),
     ("TRACE", "/v1/keys", "GET, HEAD, OPTIONS, POST")],
)  # fmt: skip
async def test_another_method_is_told_which_there_are(
    alice: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    response = await alice.request(method, path)
    assert_refused(response, 405, "MethodNotAllowed")
    assert response.headers["allow"] == allow
    options = await alice.options(path)
    assert (options.status_code, options.headers["allow"]) == (204, allow)
    assert "content-length" not in options.headers


async def test_head_of_a_refusal_has_its_status_and_no_body(alice: httpx.AsyncClient) -> None:
    for path, status in ((f"/v1/keys/{ID}", 404), (f"/v1/keys/{ID}/sign", 405), ("/x", 404)):
        response = await alice.head(path)
        assert (response.status_code, response.content) == (status, b"")


async def test_the_law_refuses_with_a_conflict(alice: httpx.AsyncClient) -> None:
    key_id = await new_key(alice)
    request = {"messageBase64": "aGk=", "algorithm": "RsaPssSha256"}
    response = await alice.post(f"/v1/keys/{key_id}/sign", json=request)
    assert_refused(response, 409, "IllegalOperation")
    assert response.json()["message"] == "Cannot sign with key in state PreActive"


async def test_without_a_metrics_page_there_is_none(stranger: httpx.AsyncClient) -> None:
    assert_refused(await stranger.get("/metrics"), 404, "NotFound")


async def test_a_bad_host_is_a_bad_request(alice: httpx.AsyncClient) -> None:
    assert_refused(await alice.get("/v1/keys", headers={"Host": "a b"}), 400, "BadRequest")


def test_every_wire_code_has_a_status() -> None:
    codes = {
        kind.code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, AegisError) and "code" in vars(kind)
    }
    assert codes == set(STATUS)


def test_what_went_wrong_inside_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    class MadeUpError(AegisError):
        code = "MadeUp"

    internals: list[Exception] = [
        RuntimeError("postgres://aegis:hunter2@db"),
        errors.InternalError("material of another key"),
        MadeUpError("from a plugin"),
    ]
    for error in internals:
        with caplog.at_level(logging.ERROR, "aegis"):
            answer = answer_to(error, "the-request-id")
        assert answer.status == 500
        assert str(error).encode() not in answer.body
        assert b"InternalError" in answer.body
        assert b"the-request-id" in answer.body
        assert "the-request-id" in caplog.text
        assert caplog.records[-1].exc_info is not None


@pytest.mark.parametrize("kind", [errors.UnavailableError, errors.TooManyRequestsError])
def test_whoever_should_come_back_is_told_when(kind: type[errors.UnavailableError]) -> None:
    answer = answer_to(kind("later", retry_after_seconds=7), "id")
    assert (b"retry-after", b"7") in answer.headers
