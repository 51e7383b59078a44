"""`aegis-server` as a stranger at a shell meets it: verbs, bad settings, and what it prints."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.server import running

SECRET = "3f1e8a-a-secret-of-more-than-32-bytes-0c7b"


def aegis_server(
    *arguments: str, data_dir: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")}
    ours = {"AEGIS_DATA_DIR": str(data_dir), "AEGIS_HTTP_PORT": "0"}
    command = [sys.executable, "-m", "aegis_kernel.server", *arguments]
    return subprocess.run(
        command, env=inherited | ours | environment, capture_output=True, text=True, timeout=30
    )


BAD = [
    ({"AEGIS_HTTP_PORT": "eighty"}, ["AEGIS_HTTP_PORT must be a whole number"]),
    ({"AEGIS_HTTP_PORT": "99999"}, ["0 to 65535"]),
    ({"AEGIS_HTTP_HOST": "0.0.0.0"}, ["AEGIS_AUTH_DEV_ALLOW_REMOTE"]),
    ({"AEGIS_AUTH_KIND": "hmac"}, ["AEGIS_AUTH_HMAC_SECRET must be set"]),
    ({"AEGIS_AUTH_KIND": "hmac", "AEGIS_AUTH_HMAC_SECRET": "tooshort-7c1"}, ["32 bytes"]),
    ({"AEGIS_AUTH_KIND": "dev,hmac", "AEGIS_AUTH_HMAC_SECRET": SECRET}, ["stands alone"]),
    ({"AEGIS_AUTH_KIND": "ldap"}, ["no aegis.authenticator plugin named 'ldap'"]),
    ({"AEGIS_ROT_KIND": "hsm"}, ["no aegis.root_of_trust plugin named 'hsm'"]),
    ({"AEGIS_JOURNAL_KIND": "oracle"}, ["no aegis.journal plugin named 'oracle'"]),
    ({"AEGIS_AUDIT_SINKS": "stdout,tape"}, ["no aegis.audit_sink plugin named 'tape'"]),
    ({"AEGIS_TELEMETRY": "prometheus,prometheus"}, ["twice"]),
    ({"AEGIS_AUTHZ_KIND": "yes"}, ["no aegis.authorizer plugin named 'yes'"]),
    ({"OTEL_TRACES_EXPORTER": "pigeon"}, ["pigeon"]),
    ({"AEGIS_DESTROY_DAYS": "1"}, ["7 to 365"]),
    (
        {"AEGIS_HTTP_PORT": "x", "AEGIS_ROT_KIND": "hsm", "AEGIS_DESTROY_DAYS": "soon"},
        ["AEGIS_HTTP_PORT", "AEGIS_DESTROY_DAYS", "'hsm'"],
    ),
]


@pytest.mark.parametrize(("environment", "words"), BAD, ids=lambda value: str(value)[:40])
def test_a_bad_setting_is_one_line_and_exit_code_1(
    environment: dict[str, str], words: list[str], tmp_path: Path
) -> None:
    done = aegis_server(data_dir=tmp_path, **environment)
    assert done.returncode == 1
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR ")]
    assert len(lines) == len(words)
    for word in words:
        assert sum(word in line for line in lines) == 1
    assert "Traceback" not in done.stderr
    assert "Started" not in done.stderr
    assert "tooshort-7c1" not in done.stderr
    assert SECRET not in done.stderr


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = aegis_server(data_dir=tmp_path, AEGIS_HTTP_PORT=port)
    assert done.returncode == 1
    assert port in done.stderr
    assert "Traceback" not in done.stderr


def test_a_master_key_that_is_not_the_journals_stops_the_boot(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as server:
        assert server.terminate() == 0
    (data / "master.key").unlink()
    done = aegis_server(data_dir=data)
    assert done.returncode == 1
    assert "another master key" in done.stderr
    assert "Started" not in done.stderr


def test_a_minted_token_opens_the_door_and_a_bad_order_says_why(tmp_path: Path) -> None:
    hmac = {"AEGIS_AUTH_KIND": "hmac", "AEGIS_AUTH_HMAC_SECRET": SECRET}
    mint = ("token", "mint", "--subject", "alice", "--group", "admins", "--ttl", "1h")
    minted = aegis_server(*mint, data_dir=tmp_path / "none", **hmac)
    assert minted.returncode == 0, minted.stderr
    token = minted.stdout.strip()
    assert not (tmp_path / "none").exists(), "minting touches no journal"
    with running(tmp_path / "data", **hmac) as server:
        bearer = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{server.url}/v1/keys", headers=bearer).json() == {"items": []}
        assert httpx.get(f"{server.url}/v1/keys").status_code == 401
        assert (
            httpx.get(f"{server.url}/v1/keys", headers={"X-Aegis-User": "alice"}).status_code == 401
        )
    for wrong in (["--ttl", "1w"], ["--ttl", "8d"], ["--subject", "al ice"], ["--kind", "robot"]):
        refused = aegis_server(*mint, *wrong, data_dir=tmp_path, **hmac)
        assert refused.returncode != 0, wrong
        assert "Traceback" not in refused.stderr
        assert refused.stdout == ""


def test_dev_mode_mints_no_tokens_and_says_what_does(tmp_path: Path) -> None:
    done = aegis_server("token", "mint", "--subject", "alice", data_dir=tmp_path)
    assert done.returncode == 1
    assert "AEGIS_AUTH_KIND=hmac" in done.stderr


def test_plugins_are_listed_as_json(tmp_path: Path) -> None:
    rows = json.loads(aegis_server("plugins", data_dir=tmp_path).stdout)
    assert {"group", "name", "distribution", "version"} == set(rows[0])
    assert "aegis-journal-sqlite" in [row["distribution"] for row in rows]


def test_check_opens_everything_and_says_how_it_is(tmp_path: Path) -> None:
    done = aegis_server("check", data_dir=tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert "journal sqlite ok" in done.stdout
