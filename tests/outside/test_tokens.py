"""`aegis-server token mint`: what it prints opens the door, and what it refuses it says in one line."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.outside.command import aegis_server
from tests.outside.secured import SECRET, secured
from tests.support.server import Server

HMAC = {"AEGIS_AUTH_KIND": "hmac", "AEGIS_AUTH_HMAC_SECRET": SECRET}
SPEC = {"name": "minted", "algorithm": "AES", "sizeBits": 128}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with secured(tmp_path_factory.mktemp("tokens") / "data") as server:
        yield server


def mint(*arguments: str, **environment: str) -> str:
    done = aegis_server("token", "mint", *arguments, **HMAC | environment)
    assert (done.returncode, done.stderr) == (0, "")
    token, end = done.stdout[:-1], done.stdout[-1:]
    assert token
    assert token.split() == [token]
    assert end == "\n"
    return token


def create(server: Server, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{server.url}/v1/keys", json={"spec": SPEC}, headers=headers)


@pytest.mark.parametrize(
    ("arguments", "owner"),
    [
        (("--subject", "alice"), "alice"),
        (("--subject", "root", "--group", "admins", "--group", "ops", "--ttl", "1h"), "root"),
        (("--subject", "ci", "--kind", "service", "--ttl", "30s"), "ci"),
        (("--subject", "late", "--ttl", "1d"), "late"),
    ],
)
def test_a_minted_token_is_believed(server: Server, arguments: tuple[str, ...], owner: str) -> None:
    token = mint(*arguments)
    created = create(server, token)
    assert created.status_code == 201
    key = httpx.get(
        f"{server.url}/v1/keys/{created.json()['id']}", headers={"Authorization": f"Bearer {token}"}
    )
    assert key.json()["owner"] == owner


def test_a_token_of_another_secret_is_nobody(server: Server) -> None:
    token = mint("--subject", "alice", AEGIS_AUTH_HMAC_SECRET=SECRET[::-1])
    assert create(server, token).status_code == 401


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--subject", "alice", "--ttl", "0s"), "ttl must be longer than 0 seconds"),
        (("--subject", "alice", "--ttl", "2d"), "AEGIS_AUTH_HMAC_MAX_TTL_SECONDS sets the limit"),
        (("--subject", "alice", "--ttl", "soon"), "a duration is a number and s, m, h or d"),
        (("--subject", "alice", "--ttl", "-1h"), "--ttl"),
        (("--subject", "alice", "--kind", "god"), "invalid choice: 'god'"),
        (("--subject", ""), "subject must be 1 to 256 visible ASCII characters"),
        (("--subject", "al ice"), "subject must be 1 to 256 visible ASCII characters"),
        (("--subject", "älice"), "subject must be 1 to 256 visible ASCII characters"),
        (("--subject", "a" * 257), "subject must be 1 to 256 visible ASCII characters"),
        (("--subject", "alice", "--group", ""), "groups must be at most"),
        ((), "--subject"),
    ],
)
def test_what_no_server_would_believe_is_refused_in_one_line(
    arguments: tuple[str, ...], text: str
) -> None:
    done = aegis_server("token", "mint", *arguments, **HMAC)
    assert done.returncode != 0
    assert done.stdout == ""
    *usage, line = done.stderr.splitlines()
    assert text in line
    assert not usage or usage[0].startswith("usage: ")
    assert SECRET not in done.stderr


def test_without_a_secret_it_says_where_tokens_come_from() -> None:
    done = aegis_server("token", "mint", "--subject", "alice")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "ERROR no authenticator in AEGIS_AUTH_KIND mints tokens; set AEGIS_AUTH_KIND=hmac\n"
    )
