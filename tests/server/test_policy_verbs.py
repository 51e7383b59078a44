"""`aegis-server policy`, and a server whose policies were superseded, as an operator meets them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import httpx

from tests.architecture.source import ROOT
from tests.support.server import running

OPEN = '@id("all") permit (principal, action, resource);\n'
CLOSED = OPEN + '@id("not-bob") forbid (principal == Human::"bob", action, resource);\n'


def aegis_server(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")}
    command = [sys.executable, "-m", "aegis_kernel.server", *arguments]
    return subprocess.run(
        command, env=inherited | environment, capture_output=True, text=True, timeout=60
    )


def settings(directory: Path, text: str) -> dict[str, str]:
    file = directory / "policies.cedar"
    file.write_text(text)
    return {"AEGIS_AUTHZ_KIND": "cedar", "AEGIS_AUTHZ_CEDAR_POLICY_FILE": str(file)}


def policy(*arguments: str, data_dir: Path, **environment: str) -> Any:
    done = aegis_server("policy", *arguments, AEGIS_DATA_DIR=str(data_dir), **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def list_keys(url: str, user: str) -> int:
    return httpx.get(f"{url}/v1/keys", headers={"X-Aegis-User": user}).status_code


def test_check_lists_what_it_read_and_what_may_not_be_meant(tmp_path: Path) -> None:
    (tmp_path / "one.cedar").write_text(f"\n{CLOSED}")
    said = policy(
        "check", str(tmp_path / "one.cedar"), data_dir=tmp_path / "data", AEGIS_AUTHZ_KIND="cedar"
    )
    assert said["digest"].startswith("cedar:")
    assert said["policies"] == [
        {"name": "all", "effect": "permit", "place": "one.cedar:2"},
        {"name": "not-bob", "effect": "forbid", "place": "one.cedar:3"},
    ]
    assert said["warnings"] == [
        "one.cedar:2: it allows everything to everybody who has authenticated"
    ]
    assert not (tmp_path / "data").exists()


def test_check_of_mistakes_is_exit_code_1_with_their_places(tmp_path: Path) -> None:
    environment = settings(tmp_path, OPEN + "permit (principal);\nforbid (;")
    done = aegis_server("policy", "check", AEGIS_DATA_DIR=str(tmp_path), **environment)
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert [line.startswith("ERROR policies.cedar:") for line in lines] == [True, True]
    boot = aegis_server("serve", AEGIS_DATA_DIR=str(tmp_path), **environment)
    assert boot.returncode == 1
    assert lines[0] in boot.stderr


def test_check_without_an_authorizer_that_has_policies_says_so(tmp_path: Path) -> None:
    done = aegis_server("policy", "check", AEGIS_DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "cedar has" in done.stderr


def test_a_running_server_takes_a_changed_file_and_superseded_policies_wait_for_a_word(
    tmp_path: Path,
) -> None:
    data, file = tmp_path / "data", tmp_path / "policies.cedar"
    environment = settings(tmp_path, OPEN)
    with running(data, **environment) as server:
        assert list_keys(server.url, "bob") == 200
        file.write_text(CLOSED)
        _wait_until(lambda: list_keys(server.url, "bob") == 403)
        assert list_keys(server.url, "carol") == 200
        file.write_text(OPEN)
        assert server.terminate() == 0
    with running(data, **environment) as server:
        ready = httpx.get(f"{server.url}/readyz")
        assert ready.status_code == 503
        assert "aegis-server policy activate" in ready.json()["message"]
        assert httpx.get(f"{server.url}/healthz").status_code == 503
        refused = httpx.get(f"{server.url}/v1/keys", headers={"X-Aegis-User": "bob"})
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
        said = policy("activate", data_dir=data, **environment)
        assert said["before"] != said["digest"]
        assert list_keys(server.url, "bob") == 200
        time.sleep(1.1)
        assert httpx.get(f"{server.url}/readyz").status_code == 200
        assert server.terminate() == 0


def test_a_check_of_the_server_makes_nothing_active(tmp_path: Path) -> None:
    data = tmp_path / "data"
    environment = settings(tmp_path, OPEN)
    with running(data, **environment) as server:
        assert server.terminate() == 0
    (tmp_path / "policies.cedar").write_text(CLOSED)
    done = aegis_server("check", AEGIS_DATA_DIR=str(data), **environment)
    assert done.returncode == 0, done.stdout
    assert "authorizer cedar ok" in done.stdout
    (tmp_path / "policies.cedar").write_text(OPEN)
    with running(data, **environment) as server:
        assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_activate_works_with_no_server_running(tmp_path: Path) -> None:
    data = tmp_path / "data"
    environment = settings(tmp_path, OPEN)
    with running(data, **environment) as server:
        assert server.terminate() == 0
    assert policy("activate", data_dir=data)["digest"] == "basic"
    with running(data) as server:
        assert httpx.get(f"{server.url}/readyz").status_code == 200
        assert server.terminate() == 0


def test_the_tour_of_the_plugins_readme_leads_to_a_server_that_decides_as_basic_does(
    tmp_path: Path,
) -> None:
    page = (ROOT / "plugins" / "authz_cedar" / "README.md").read_text(encoding="utf-8")
    (tour,) = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    lines = [line for line in tour.splitlines() if not line.startswith("pip ")]
    script = "\n".join(["set -e", *lines, "exec python -m aegis_kernel.server"])
    script = script.replace("python ", f"{sys.executable} ")
    command = ("/bin/sh", "-c", f"cd {tmp_path}\n{script}")
    alice, root = {"X-Aegis-User": "alice"}, {"X-Aegis-User": "root"}
    with running(tmp_path / "data", command=command) as server:
        spec = {"name": "demo", "algorithm": "AES", "sizeBits": 256}
        made = httpx.post(f"{server.url}/v1/keys", json={"spec": spec}, headers=alice).json()
        # In dev mode everybody is an admin.
        assert httpx.get(f"{server.url}/v1/keys/{made['id']}", headers=root).status_code == 200
        assert {"kind": "cedar", "port": "authorizer", "status": "ok"} in httpx.get(
            f"{server.url}/healthz"
        ).json()["components"]
        assert server.terminate() == 0


def test_replay_says_what_would_differ_whether_a_server_runs_or_not(tmp_path: Path) -> None:
    data, candidate = tmp_path / "data", tmp_path / "candidate.cedar"
    environment = settings(tmp_path, OPEN)
    candidate.write_text(
        OPEN + '@id("no") forbid (principal, action == Action::"Activate", resource);'
    )
    with running(data, **environment) as server:
        spec = {"name": "demo", "algorithm": "AES", "sizeBits": 256}
        bob = {"X-Aegis-User": "bob"}
        made = httpx.post(f"{server.url}/v1/keys", json={"spec": spec}, headers=bob).json()
        httpx.post(f"{server.url}/v1/keys/{made['id']}/activate", headers=bob)
        arguments = ("replay", str(candidate), "--days", "1", "--groups", "bob=admins")
        said = policy(*arguments, data_dir=data, **environment)
        assert server.terminate() == 0
    assert (said["records"], said["same"], said["unknown"]) == (2, 1, {})
    assert said["changes"] == [
        {
            "change": "was allowed, would be denied",
            "principal": "Human:bob",
            "operation": "Activate",
            "keyId": made["id"],
            "reason": "forbidden by policy no",
            "count": 1,
        }
    ]
    assert any("groups" in note for note in said["notes"])
    assert policy(*arguments, data_dir=data, **environment) == {**said, "since": ANY}


def test_replay_refuses_what_makes_no_sense(tmp_path: Path) -> None:
    environment = {**settings(tmp_path, OPEN), "AEGIS_DATA_DIR": str(tmp_path / "data")}
    for arguments, word in ((["--days", "0"], "--days"), (["--groups", "bob"], "subject=group")):
        done = aegis_server("policy", "replay", *arguments, **environment)
        assert done.returncode in (1, 2)
        assert word in done.stderr


def _wait_until(condition: Any, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
