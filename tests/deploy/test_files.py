"""The Dockerfile and the compose file say what the walkthrough and SECURITY.md promise."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from aegis_kernel import variables_of
from aegis_kernel.engine.loader import GROUPS
from aegis_kernel.engine.settings import KernelSettings, Selection
from tests.architecture.source import ROOT
from tests.deploy.compose import Compose
from tests.deploy.context import Context, tracked
from tests.deploy.dockerfile import read

FOLDER = ROOT / "deploy" / "docker"
BUILD, IMAGE = read(FOLDER / "Dockerfile")
CONTEXT = Context((ROOT / ".dockerignore").read_text(encoding="utf-8"))
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
PASSWORD = "a/b+c="
SHELL = {"POSTGRES_PASSWORD": PASSWORD}
COMPOSE = Compose(FOLDER / "docker-compose.yml", SHELL)
POSTGRES, SERVER = COMPOSE.service("aegis-postgres"), COMPOSE.service("aegis-server")

# Of the Compose Specification: those that ours needs. A key that is misspelt is not among them.
SERVICE_KEYS = {
    "build", "cap_drop", "container_name", "depends_on", "environment", "extra_hosts",
    "healthcheck", "image", "init", "networks", "ports", "pull_policy", "read_only", "restart",
    "security_opt", "stop_grace_period", "tmpfs", "user", "volumes",
}  # fmt: skip
POSTGRES_KNOWS = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD", "POSTGRES_INITDB_ARGS"}
LIBPQ_KNOWS = {"PGHOST", "PGUSER", "PGDATABASE", "POSTGRES_PASSWORD"}
PYTHON_KNOWS = {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}


@pytest.mark.parametrize("image", [BUILD.base, IMAGE.base, POSTGRES["image"], SERVER["image"]])
def test_every_image_is_pinned_to_a_version(image: str) -> None:
    name, _, tag = image.rpartition(":")
    assert name
    assert re.match(r"\d+", tag)


def test_the_versions_are_that_of_the_project() -> None:
    assert SERVER["image"] == f"ghcr.io/sharma-bhaskar/aegis-server:{VERSION}"
    assert IMAGE.pairs("LABEL")["org.opencontainers.image.version"] == VERSION
    assert SERVER["image"] in (FOLDER / "Dockerfile").read_text()


def test_what_the_image_copies_is_sent_to_the_builder() -> None:
    sent = [path for path in tracked(ROOT) if CONTEXT.sends(path)]
    copies = [word for each in BUILD.all("COPY") for word in each.words[:-1]]
    assert {"aegis_kernel", "plugins", "requirements.lock"} <= set(copies)
    for source in copies:
        assert any(path == source or path.startswith(f"{source}/") for path in sent), source
    assert {path.partition("/")[0] for path in sent} == set(copies)


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".venv/bin/python",
        "tests/test_docs.py",
        "plugins/auth_dev/tests/test_a.py",
        "plugins/.env",
        "plugins/a/master.key",
        "aegis_kernel/__pycache__/server.pyc",
        "x.db",
    ],
)
def test_tests_history_and_secrets_are_not_sent(path: str) -> None:
    assert not CONTEXT.sends(path)


def test_the_image_copies_from_its_build_alone() -> None:
    assert [each.options["from"] for each in IMAGE.all("COPY")] == [BUILD.name]


@pytest.mark.parametrize("name", ["tools", "wheels"])
def test_a_file_that_the_lock_does_not_vouch_for_stops_the_build(name: str, tmp_path: Path) -> None:
    (check,) = [run.text for run in BUILD.all("RUN") if f"for file in /build/{name}/*" in run.text]
    for folder in (name, "house"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "ours.whl").write_bytes(b"ours")
    lock = f"ours==1 --hash=sha256:{hashlib.sha256(b'ours').hexdigest()}\n"
    (tmp_path / "requirements.lock").write_text(lock)
    command = ["/bin/sh", "-c", check.replace("/build/", f"{tmp_path}/")]
    assert subprocess.run(command, cwd=tmp_path).returncode == 0
    (tmp_path / name / "foreign.whl").write_bytes(b"foreign")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "foreign.whl is not in requirements.lock" in done.stderr


def test_the_process_is_nobody_in_particular_by_number() -> None:
    uid, gid = IMAGE.one("USER").text.split(":")
    assert (int(uid) >= 10_000, int(gid) >= 10_000) == (True, True)
    names = [each.name for each in IMAGE.instructions]
    assert names.index("RUN") < names.index("USER") < names.index("ENTRYPOINT")
    (folder,) = IMAGE.all("RUN")
    assert f"--mode=0700 --owner={uid} --group={gid} /var/lib/aegis" in folder.text


def test_it_gets_signals_itself_and_is_looked_at() -> None:
    assert IMAGE.one("ENTRYPOINT").command == ["/opt/aegis/bin/aegis-server"]
    assert IMAGE.one("STOPSIGNAL").text == "SIGTERM"
    assert IMAGE.one("HEALTHCHECK").command[0].startswith("/")
    assert not IMAGE.all("CMD")


def test_the_image_sets_known_variables_no_secret_and_no_authenticator() -> None:
    given = IMAGE.pairs("ENV")
    assert given.keys() - _settings() - PYTHON_KNOWS == set()
    assert (given["AEGIS_HTTP_HOST"], given["AEGIS_JOURNAL_KIND"]) == ("0.0.0.0", "sqlite")
    assert given["AEGIS_DATA_DIR"] == IMAGE.one("VOLUME").text == "/var/lib/aegis"
    assert not {name for name in given if re.search("AUTH|SECRET|PASSWORD|KEY|TOKEN", name)}


def test_step_2_the_names_that_the_walkthrough_shows() -> None:
    assert COMPOSE.document["name"] == "aegis-kms"
    assert "networks" not in COMPOSE.document  # so it is called aegis-kms_default
    names = {name: each["container_name"] for name, each in COMPOSE.document["services"].items()}
    assert names == {name: name for name in ("aegis-postgres", "aegis-server")}


@pytest.mark.parametrize("shell", [{}, {"POSTGRES_PASSWORD": ""}])
def test_step_2_without_a_password_nothing_starts(shell: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="POSTGRES_PASSWORD: there is no default"):
        Compose(FOLDER / "docker-compose.yml", shell)


def test_no_service_has_a_password_of_its_own() -> None:
    text = (FOLDER / "docker-compose.yml").read_text(encoding="utf-8")
    given = re.findall(r"^ +POSTGRES_PASSWORD: (.+)$", text, re.MULTILINE)
    assert len(given) == 2
    assert all(value.startswith('"${POSTGRES_PASSWORD:?') for value in given)


def test_the_password_is_passed_as_it_is_and_stands_in_nothing_else() -> None:
    assert COMPOSE.environment("aegis-server")["POSTGRES_PASSWORD"] == PASSWORD
    assert COMPOSE.environment("aegis-postgres")["POSTGRES_PASSWORD"] == PASSWORD
    assert sum(PASSWORD in text for text in _texts(COMPOSE.document)) == 2


def test_the_server_finds_the_database_that_the_other_container_makes() -> None:
    theirs, ours = COMPOSE.environment("aegis-postgres"), COMPOSE.environment("aegis-server")
    assert (ours["PGUSER"], ours["PGDATABASE"]) == (theirs["POSTGRES_USER"], theirs["POSTGRES_DB"])
    assert ours["PGHOST"] in POSTGRES["networks"]["default"]["aliases"]
    assert SERVER["depends_on"] == {"aegis-postgres": {"condition": "service_healthy"}}
    assert POSTGRES["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]


def test_every_variable_that_is_passed_is_read_by_somebody() -> None:
    declared = set(SERVER["environment"])
    assert declared - _settings() - LIBPQ_KNOWS == set()
    assert set(POSTGRES["environment"]) == POSTGRES_KNOWS


def test_what_the_shell_does_not_set_stays_unset() -> None:
    assert set(COMPOSE.environment("aegis-server")) == {
        "AEGIS_JOURNAL_KIND", "PGHOST", "PGUSER", "PGDATABASE", "POSTGRES_PASSWORD",
        "AEGIS_AUTH_KIND", "AEGIS_AUTH_DEV_ALLOW_REMOTE",
    }  # fmt: skip


def test_steps_16_and_18_the_shell_switches_traces_and_authenticators() -> None:
    shell = SHELL | {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://host.docker.internal:4318",
        "OTEL_SERVICE_NAME": "aegis-server",
        "AEGIS_AUTH_KIND": "hmac",
        "AEGIS_AUTH_HMAC_SECRET": "x" * 32,
        "AEGIS_ROT_KIND": "inmemory",
    }
    given = Compose(FOLDER / "docker-compose.yml", shell).environment("aegis-server")
    assert given.items() >= shell.items()
    assert SERVER["extra_hosts"] == ["host.docker.internal:host-gateway"]


def test_dev_mode_is_published_on_loopback_and_the_database_not_at_all() -> None:
    assert COMPOSE.environment("aegis-server")["AEGIS_AUTH_KIND"] == "dev"
    assert "ports" not in POSTGRES
    assert SERVER["ports"] == ["127.0.0.1:8080:8080"]
    assert all(ip_address(port.rsplit(":", 2)[0]).is_loopback for port in SERVER["ports"])


def test_step_20_journal_and_master_key_are_on_volumes_that_down_v_removes() -> None:
    mounts = [mount for each in (POSTGRES, SERVER) for mount in each["volumes"]]
    assert mounts == ["postgres-data:/var/lib/postgresql/data", "aegis-data:/var/lib/aegis"]
    assert COMPOSE.document["volumes"] == {"postgres-data": None, "aegis-data": None}


@pytest.mark.parametrize("service", [POSTGRES, SERVER], ids=["postgres", "server"])
def test_a_container_may_no_more_than_it_must(service: dict[str, Any]) -> None:
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cap_drop"] == ["ALL"]
    assert service["restart"] == "unless-stopped"
    assert service.keys() - SERVICE_KEYS == set()
    assert "privileged" not in service


def test_the_server_writes_to_its_volume_and_to_tmp_alone() -> None:
    assert (SERVER["read_only"], SERVER["tmpfs"]) == (True, ["/tmp"])


def test_it_has_longer_to_stop_than_it_drains() -> None:
    seconds = int(SERVER["stop_grace_period"].removesuffix("s"))
    assert seconds > KernelSettings().drain_seconds + 15


def test_the_files_it_is_built_from_are_there() -> None:
    build = SERVER["build"]
    assert (FOLDER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()


def _settings() -> set[str]:
    plugins = [point.load().settings for group in GROUPS for point in entry_points(group=group)]
    sections = [Selection, KernelSettings, *plugins]
    return {variable for section in sections for variable in variables_of(section).values()}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value
