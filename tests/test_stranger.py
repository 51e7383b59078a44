"""A stranger installs the wheels and a plugin of their own: no checkout, no editable install."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
import venv
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.source import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "aegis-audit-jsonl"
DEFAULTS = ("rot_inmemory", "journal_sqlite", "audit_stdout", "auth_dev", "auth_hmac")
DEFAULTS += ("authz_basic", "telemetry_prometheus", "telemetry_otel")
BOOT_SECONDS = 30.0

pytestmark = pytest.mark.slow


class Machine:
    """A fresh environment with the third-party packages of this one, and a folder of wheels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        self.data = folder / "data"
        venv.create(folder / "venv", symlinks=True, with_pip=False)
        _lend_third_party_packages(folder / "venv")
        for source in (ROOT, *(ROOT / "plugins" / name for name in DEFAULTS), EXAMPLE):
            _build_wheel(source, folder / "wheels")

    def pip(self, *arguments: str) -> None:
        uv = Path(sys.executable).parent / "uv"
        python = str(self.bin / "python")
        self._run(str(uv), "pip", *arguments, "--quiet", "--offline", "--python", python)

    def install(self, *requirements: str) -> None:
        """Install from the wheels alone; their requirements must be met by what is there."""
        wheels = str(self.folder / "wheels")
        self.pip("install", *requirements, "--no-index", "--find-links", wheels)

    def server(self, *verb: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.bin / "aegis-server", *verb],
            env=self.environment(environment),
            cwd=self.folder,
            capture_output=True,
            text=True,
        )

    def plugins(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in json.loads(self.server("plugins").stdout)}

    def python(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.bin / "python", *arguments],
            env=self.environment({}),
            cwd=cwd,
            capture_output=True,
            text=True,
        )

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        foreign = ("AEGIS_", "PYTHON", "PYTEST", "VIRTUAL_ENV")
        inherited = {name: v for name, v in os.environ.items() if not name.startswith(foreign)}
        return inherited | {"AEGIS_DATA_DIR": str(self.data), "AEGIS_HTTP_PORT": "0"} | more

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    machine = Machine(tmp_path_factory.mktemp("stranger"))
    machine.install("aegis-kms[default]")
    return machine


def test_the_wheels_hold_the_house_and_nothing_else_of_the_checkout(machine: Machine) -> None:
    where = "import aegis_kernel, sys; print(aegis_kernel.__file__); import tests"
    found = machine.python("-c", where, cwd=machine.folder)
    assert found.stdout.startswith(str(machine.folder))
    assert "No module named 'tests'" in found.stderr


def test_the_default_extra_is_a_server_that_is_well(machine: Machine) -> None:
    assert "jsonl" not in machine.plugins()
    checked = machine.server("check")
    assert (checked.returncode, "journal sqlite ok" in checked.stdout) == (0, True), checked


def test_a_strangers_plugin_is_found_where_it_comes_from(machine: Machine) -> None:
    machine.install("aegis-audit-jsonl")
    row = machine.plugins()["jsonl"]
    assert row["group"] == "aegis.audit_sink"
    assert (row["distribution"], row["version"]) == ("aegis-audit-jsonl", "1.0.0")


def test_the_environment_chooses_it_and_it_gets_the_records(machine: Machine) -> None:
    machine.install("aegis-audit-jsonl")
    lines = machine.data / "audit.jsonl"
    with (machine.folder / "log").open("w+") as log:
        process = subprocess.Popen(
            [machine.bin / "aegis-server"],
            env=machine.environment({"AEGIS_AUDIT_SINKS": "jsonl", "AEGIS_DRAIN_SECONDS": "0"}),
            cwd=machine.folder,
            stdout=log,
            stderr=log,
        )
        try:
            key_id = _create_key(_url(machine.folder / "log"))
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(BOOT_SECONDS) == 0
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [(r["op"], r["keyId"]) for r in records if r["op"] != "Authenticate"] == [
        ("KeyCreated", key_id)
    ]


def test_it_passes_the_kit_against_the_installed_wheels(machine: Machine, tmp_path: Path) -> None:
    machine.install("aegis-audit-jsonl[test]")
    shutil.copytree(EXAMPLE, tmp_path / "example", ignore=shutil.ignore_patterns("src"))
    done = machine.python("-m", "pytest", "-q", "tests", cwd=tmp_path / "example")
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout


def test_uninstalled_it_is_gone_and_whoever_still_names_it_is_told(machine: Machine) -> None:
    machine.install("aegis-audit-jsonl")
    machine.pip("uninstall", "aegis-audit-jsonl")
    assert "jsonl" not in machine.plugins()
    refused = machine.server(AEGIS_AUDIT_SINKS="jsonl")
    assert refused.returncode == 1
    assert "no aegis.audit_sink plugin named 'jsonl'" in refused.stderr
    assert "stdout (aegis-audit-stdout" in refused.stderr


def _build_wheel(source: Path, target: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", target],
        cwd=source,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr


def _lend_third_party_packages(environment: Path) -> None:
    """Link every installed package but ours, so that no index and no network is needed."""
    paths = {"base": str(environment), "platbase": str(environment)}
    target = Path(sysconfig.get_path("purelib", vars=paths))
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        ours = re.match(r"(_editable_impl_|__editable__)?\W*aegis", entry.name)
        if ours or entry.suffix == ".pth":
            continue
        if entry.suffix == ".dist-info":
            # uv looks for installed metadata in real folders only.
            shutil.copytree(entry, target / entry.name)
        else:
            (target / entry.name).symlink_to(entry)


def _url(log: Path) -> str:
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        text = log.read_text()
        started = re.search(r"Started Aegis server on (\S+)", text)
        if started and "Boot complete" in text:
            return f"http://{started[1]}"
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def _create_key(url: str) -> str:
    body = {"spec": {"name": "stranger", "algorithm": "AES", "sizeBits": 256}}
    request = urllib.request.Request(
        f"{url}/v1/keys",
        data=json.dumps(body).encode(),
        headers={"X-Aegis-User": "alice", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(json.load(answer)["id"])
