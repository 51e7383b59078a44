"""The Dockerfile's steps, carried out without an engine, lead to a server that does what it should.

First the server alone, as `docker run` starts it; then with Postgres, as compose does, through the
whole walkthrough. All in one file, since the steps take half a minute.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tests.walkthrough.test_walkthrough as walkthrough
from tests.architecture.source import ROOT
from tests.deploy.container import Container, program, run
from tests.deploy.image import Image
from tests.deploy.stack import Stack
from tests.walkthrough.test_walkthrough import Reader

# A machine that is busy with others takes long over the first step.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SECRET = "an+hmac/secret=of-more-than-32-bytes"
PASSWORD = "a/b+c= d'e@f:g#h"
SHELL = {"POSTGRES_PASSWORD": PASSWORD}
HMAC = SHELL | {"AEGIS_AUTH_KIND": "hmac", "AEGIS_AUTH_HMAC_SECRET": SECRET}


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    # Not below pytest's own folder, whose parents the image's user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="aegis-image-"))
    folder.chmod(0o755)
    yield Image(ROOT, ROOT / "deploy" / "docker" / "Dockerfile", folder)
    shutil.rmtree(folder)


def test_what_is_installed_is_what_the_lock_pins(image: Image) -> None:
    found = _distributions(image)
    lock = (ROOT / "requirements.lock").read_text()
    pins = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock, re.MULTILINE))
    foreign = {name: version for name, version in found.items() if not name.startswith("aegis-")}
    assert len(foreign) > 20
    assert foreign.items() <= pins.items()


def test_the_server_is_there_with_its_default_plugins_and_postgres(image: Image) -> None:
    found = _distributions(image)
    assert {"aegis-kms", "aegis-auth-hmac", "aegis-journal-postgres"} <= found.keys()
    assert "aegis-journal-memory" not in found


@pytest.mark.parametrize("name", ["pip", "setuptools", "hatchling", "pytest", "mypy", "uv"])
def test_what_only_builds_or_tests_is_left_behind(image: Image, name: str) -> None:
    assert name not in _distributions(image)


def test_the_last_stage_holds_the_program_and_an_empty_private_data_folder(image: Image) -> None:
    assert {path.name for path in image.root.iterdir()} == {"opt", "var"}
    assert {path.name for path in (image.root / "opt").iterdir()} == {"aegis"}
    data = image.root / "var" / "lib" / "aegis"
    assert list(data.iterdir()) == []
    assert data.stat().st_mode & 0o777 == 0o700
    assert data.stat().st_uid == (image.user[0] if os.geteuid() == 0 else os.geteuid())


def test_without_an_authenticator_it_stops_and_says_what_to_set(image: Image) -> None:
    done = run(image, SHELL)
    assert done.returncode == 1
    assert "AEGIS_HTTP_HOST=0.0.0.0 would let anyone on the network be anyone" in done.stderr
    assert "set AEGIS_AUTH_KIND=hmac with AEGIS_AUTH_HMAC_SECRET" in done.stderr


def test_step_18_tokens_instead_of_the_header(image: Image, tmp_path: Path) -> None:
    server = Container(image, tmp_path / "jwt", HMAC)
    try:
        token = run(image, HMAC, "token", "mint", "--subject", "alice", "--group", "admins")
        bearer = f"Authorization: Bearer {token.stdout.strip()}"
        assert _status(server, bearer) == 200
        assert _status(server, "X-Aegis-User: alice") == 401
        assert f"SQLite event journal at {image.root}/var/lib/aegis" in server.log
        assert SECRET not in server.log
    finally:
        server.stop()


def test_the_health_check_sees_a_server_that_lives_and_one_that_does_not(
    image: Image, tmp_path: Path
) -> None:
    server = Container(image, tmp_path / "health", HMAC)
    try:
        assert server.look() == 0
        assert server.terminate() == 0
        assert server.look() != 0
    finally:
        server.stop()


def test_it_writes_to_its_data_folder_and_nowhere_else(image: Image, tmp_path: Path) -> None:
    before = _listing(image)
    server = Container(image, tmp_path / "writes", HMAC)
    server.stop()
    assert _listing(image) == before
    assert (image.root / "var/lib/aegis/master.key").stat().st_mode & 0o777 == 0o600


@pytest.fixture(scope="module")
def stack(image: Image) -> Iterator[Stack]:
    _empty(image)
    stack = Stack(image, Path(tempfile.mkdtemp(prefix="aegis-stack-")))
    stack.up(SHELL)
    yield stack
    stack.remove()


@pytest.fixture(scope="module")
def reader(stack: Stack) -> Reader:
    return Reader(stack.server)


def test_step_2_the_log_says_what_compose_started(stack: Stack) -> None:
    lines = [line for line in stack.server.log.splitlines() if line.startswith("INFO ")]
    address = f"postgresql://postgres:{stack.postgres.port}/aegis"
    assert re.match(r"INFO Started Aegis server on 0\.0\.0\.0:\d+$", lines[0])
    assert f"INFO Persistence: Postgres event journal at {address}" in lines
    assert "INFO Crypto: InMemoryRootOfTrust" in lines
    assert "INFO Auth: dev mode (X-Aegis-User header)" in lines
    assert "INFO Tracing: OpenTelemetry SDK auto-configured (OTEL_TRACES_EXPORTER=none)" in lines
    assert re.match(r"INFO Boot complete in \d+\.\d\ds$", lines[-1])
    assert PASSWORD not in stack.server.log


# The walkthrough's own steps, in their order, against this server.
globals().update(
    {
        name: step
        for name, step in vars(walkthrough).items()
        if name.startswith("test_step_") and not name.startswith("test_step_2_")
    }
)


def test_the_variables_of_compose_are_all_read_and_the_password_is_asked_for(stack: Stack) -> None:
    assert "nothing that is loaded reads it" not in stack.server.log
    refused = stack.run(SHELL | {"POSTGRES_PASSWORD": "another"}, "check")
    assert refused.returncode == 1
    assert "another" not in refused.stderr


def test_step_18_compose_with_tokens_still_has_the_keys(stack: Stack, reader: Reader) -> None:
    stack.down()
    stack.up(HMAC)
    token = stack.run(HMAC, "token", "mint", "--subject", "alice", "--group", "admins").stdout
    assert _key(stack, reader, f"Authorization: Bearer {token.strip()}")[0] == 200
    assert _key(stack, reader, "X-Aegis-User: alice")[0] == 401


def test_step_20_down_without_v_keeps_the_keys(stack: Stack, reader: Reader) -> None:
    stack.down()
    stack.up(SHELL)
    status, view = _key(stack, reader)
    assert (status, view["state"]) == (200, "Active")


def test_step_20_down_with_v_removes_them(stack: Stack, reader: Reader) -> None:
    stack.down(("aegis-data", "postgres-data"))
    stack.up(SHELL)
    assert _key(stack, reader)[0] == 404


def test_without_the_volume_of_the_master_key_it_does_not_start(stack: Stack) -> None:
    stack.down(("aegis-data",))
    refused = stack.run(SHELL)
    assert refused.returncode == 1
    assert "master key" in refused.stderr


def _key(stack: Stack, reader: Reader, header: str = "X-Aegis-User: alice") -> tuple[int, Any]:
    reader.server = stack.server
    return reader.curl("GET", f"/v1/keys/{reader.key_id}", None, header)


def _empty(image: Image) -> None:
    for path in (image.root / "var" / "lib" / "aegis").iterdir():
        path.unlink()


def _distributions(image: Image) -> dict[str, str]:
    code = (
        "import importlib.metadata as m, json;"
        "print(json.dumps({d.name.lower().replace('_', '-'): d.version for d in m.distributions()}))"
    )
    python = Path(program(image)[0]).parent / "python"
    listed = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(listed.stdout)
    return found


def _status(server: Container, header: str) -> int:
    command = ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "-H", header]
    command.append(f"{server.url}/v1/keys")
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _listing(image: Image) -> dict[str, float]:
    paths = (path for path in image.root.rglob("*") if "var/lib/aegis" not in path.as_posix())
    return {path.as_posix(): path.lstat().st_mtime for path in paths}
