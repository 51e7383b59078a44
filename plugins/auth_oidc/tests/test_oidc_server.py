"""Through a real server: tokens of an issuer beside those of a shared secret, and an issuer that goes away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from tests.outside.command import aegis_server
from tests.support.server import Server, running

pytestmark = pytest.mark.node

SECRET = "mB3vQ9sK1zX7cW5nR2tL8pJ4hG6fD0aYeUiOqTrEwSxVbN"
AES = {"spec": {"name": "mine", "algorithm": "AES", "sizeBits": 256}}
CLAIMS = {"aud": "aegis", "sub": "alice", "groups": ["admins"]}
KINDS = ("oidc,hmac", "hmac,oidc")


def settings(mock: Any, kinds: str) -> dict[str, str]:
    return {
        "AEGIS_AUTH_KIND": kinds,
        "AEGIS_AUTH_HMAC_SECRET": SECRET,
        "AEGIS_AUTH_OIDC_ISSUER": mock.url,
        "AEGIS_AUTH_OIDC_AUDIENCE": "aegis",
        "AEGIS_AUTH_OIDC_SUBJECT_PREFIX": "corp:",
        "AEGIS_AUTH_OIDC_REFRESH_SECONDS": "1",
    }


@pytest.fixture(params=KINDS)
def server(mock: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(tmp_path / "data", **settings(mock, request.param)) as server:
        yield server


def create(server: Server, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{server.url}/v1/keys", json=AES, headers=headers)


def owner(server: Server, token: str) -> str:
    created = create(server, token)
    assert created.status_code == 201, created.text
    headers = {"Authorization": f"Bearer {token}"}
    key = httpx.get(f"{server.url}/v1/keys/{created.json()['id']}", headers=headers)
    return str(key.json()["owner"])


def hmac_token(secret: str = SECRET) -> str:
    claims = {"sub": "bob", "iat": int(time.time()), "exp": int(time.time()) + 60}
    return jwt.encode(claims, secret, algorithm="HS256")


def test_both_kinds_of_token_are_believed_and_no_bad_one_of_either(
    server: Server, mock: Any
) -> None:
    assert owner(server, mock.token(claims=CLAIMS)) == "corp:alice"
    assert owner(server, hmac_token()) == "bob"
    bad = [
        "opaque",
        hmac_token(SECRET[::-1]),
        mock.token(claims={**CLAIMS, "aud": "billing"}),
        mock.token(claims={**CLAIMS, "iss": "https://elsewhere.example.com"}),
        mock.token(claims=CLAIMS, header={"kid": "unknown"}),
        mock.token(claims=CLAIMS)[:-6],
    ]
    answers = [create(server, token) for token in bad]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert len({answer.headers["WWW-Authenticate"] for answer in answers}) == 1


def test_while_the_issuer_is_down_known_keys_serve_and_unknown_ones_are_503(
    server: Server, mock: Any
) -> None:
    known = mock.token(claims=CLAIMS)
    mock.tell("generate", algorithm="ES256", kid="second")
    unknown = mock.token(kid="second", claims={**CLAIMS, "jti": "1"})
    mock.tell("stop")
    wait_for(server, "degraded")
    assert create(server, known).status_code == 201
    refused = create(server, unknown)
    assert refused.status_code == 503
    assert refused.json()["error"] == "Unavailable"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert create(server, hmac_token()).status_code == 201
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    mock.tell("start")
    wait_for(server, "ok")
    assert create(server, unknown).status_code == 201


def wait_for(server: Server, status: str) -> None:
    end = time.monotonic() + 20
    while httpx.get(f"{server.url}/healthz").json()["status"] != status:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_an_issuer_that_is_down_at_boot_stops_the_server(mock: Any, tmp_path: Path) -> None:
    mock.tell("stop")
    said = settings(mock, "hmac,oidc") | {"AEGIS_DATA_DIR": str(tmp_path), "AEGIS_HTTP_PORT": "0"}
    done = aegis_server(**said)
    assert done.returncode != 0
    assert f"The issuer {mock.url} cannot be reached" in done.stderr
    assert "Check its address" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Boot complete" not in done.stderr
