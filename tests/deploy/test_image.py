"""The Dockerfile's steps, carried out without an engine, lead to a server that does what it should."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.deploy.container import Container, program, run
from tests.deploy.image import Image

pytestmark = pytest.mark.slow

SECRET = "an+hmac/secret=of-more-than-32-bytes"
HMAC = {
    "POSTGRES_PASSWORD": "a/b+c=",
    "AEGIS_AUTH_KIND": "hmac",
    "AEGIS_AUTH_HMAC_SECRET": SECRET,
}


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
    assert {"aegis-kms", "aegis-rot-inmemory", "aegis-auth-hmac"} <= found.keys()
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
    done = run(image, {"POSTGRES_PASSWORD": "a/b+c="})
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
