"""What a stranger sees whose settings are wrong; and what a boot takes whose settings are right."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.outside.command import COMMAND, aegis_server
from tests.outside.secured import resident_mib
from tests.support.server import running

SECRET = "hunter2-hunter2-hunter2"  # too short, and nobody else's business
KEY = "c2hvcnQtbWFzdGVyLWtleQ=="
BOOT_SECONDS = 4.0
IDLE_MIB = 120.0
WARNING = re.compile("WARNING (dev mode believes|the new master key is in) ")

# What is set, and what the lines have to say, in this order.
MISTAKES: Mapping[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "a port out of range": ({"AEGIS_HTTP_PORT": "70000"}, ("AEGIS_HTTP_PORT must be 0 to",)),
    "a port in words": ({"AEGIS_HTTP_PORT": "http"}, ("AEGIS_HTTP_PORT must be a whole number",)),
    "a port of 5,000 digits": ({"AEGIS_HTTP_PORT": "9" * 5_000}, ("AEGIS_HTTP_PORT",)),
    "several at once": (
        {"AEGIS_DESTROY_DAYS": "1", "AEGIS_DRAIN_SECONDS": "nan", "AEGIS_AUDIT_BACKLOG": "many"},
        ("AEGIS_AUDIT_BACKLOG", "AEGIS_DESTROY_DAYS must be 7", "AEGIS_DRAIN_SECONDS must be 0"),
    ),
    "hmac without a secret": (
        {"AEGIS_AUTH_KIND": "hmac"},
        ("AEGIS_AUTH_HMAC_SECRET must be set",),
    ),
    "a short secret": (
        {"AEGIS_AUTH_KIND": "hmac", "AEGIS_AUTH_HMAC_SECRET": SECRET},
        ("openssl rand -base64 48",),
    ),
    "a secret that repeats itself": (
        {"AEGIS_AUTH_KIND": "hmac", "AEGIS_AUTH_HMAC_SECRET": "hunter2-" * 8},
        ("openssl rand -base64 48",),
    ),
    "dev beside hmac": (
        {"AEGIS_AUTH_KIND": "dev,hmac", "AEGIS_AUTH_HMAC_SECRET": SECRET},
        ("AEGIS_AUTH_KIND: dev lets anyone be anyone",),
    ),
    "dev for everybody": ({"AEGIS_HTTP_HOST": "0.0.0.0"}, ("AEGIS_AUTH_DEV_ALLOW_REMOTE=true",)),
    "unknown plugins": (
        {"AEGIS_JOURNAL_KIND": "mongodb", "AEGIS_TELEMETRY": "prometheus,datadog"},
        ("'mongodb'; installed: ", "'datadog'; installed: "),
    ),
    "no plugin": ({"AEGIS_ROT_KIND": ","}, ("AEGIS_ROT_KIND names no plugin",)),
    "a plugin twice": ({"AEGIS_AUDIT_SINKS": "stdout,stdout"}, ("AEGIS_AUDIT_SINKS names a",)),
    "a short master key": (
        {"AEGIS_ROT_INMEMORY_MASTER_KEY": KEY},
        ("AEGIS_ROT_INMEMORY_MASTER_KEY must be 32 bytes in base64",),
    ),
    "a master key file that cannot be": (
        {"AEGIS_ROT_INMEMORY_MASTER_KEY_FILE": "/dev/null/key"},
        ("/dev/null/key",),
    ),
    "a data directory that cannot be": ({"AEGIS_DATA_DIR": "/dev/null/data"}, ("AEGIS_DATA_DIR",)),
    "an unknown exporter": ({"OTEL_TRACES_EXPORTER": "zipkin"}, ("installed are console, none",)),
    "credentials in an endpoint": (
        {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://me:{SECRET}@collector:4318",
        },
        ("OTEL_EXPORTER_OTLP_HEADERS takes them",),
    ),
    "perhaps": ({"AEGIS_AUDIT_STDOUT_REQUIRED": "perhaps"}, ("must be true or false",)),
    "a host that is none": (
        {"AEGIS_HTTP_HOST": "no.such.host.invalid", "AEGIS_AUTH_DEV_ALLOW_REMOTE": "true"},
        ("set AEGIS_HTTP_HOST to an address of this machine",),
    ),
}


@contextmanager
def taken_port() -> Iterator[int]:
    """A port of this machine on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def refused(tmp_path: Path, **environment: str) -> list[str]:
    """Boot it, and return its errors; nothing else may be said, and nothing done."""
    done = aegis_server(**{"AEGIS_DATA_DIR": str(tmp_path / "data"), **environment})
    assert done.returncode == 1
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if not WARNING.match(line)]
    assert all(line.startswith("ERROR ") for line in lines), done.stderr
    assert "Started" not in done.stderr
    assert not {value for value in (SECRET, KEY, "hunter2") if value in done.stderr}
    return lines


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_stops_the_boot_with_one_line_and_the_remedy(tmp_path: Path, what: str) -> None:
    environment, expected = MISTAKES[what]
    lines = refused(tmp_path, **{"AEGIS_HTTP_PORT": "0"} | environment)
    assert len(lines) == len(expected), lines
    for line, text in zip(lines, expected, strict=True):
        assert text in line


def test_a_port_that_is_taken_is_named_with_what_to_do(tmp_path: Path) -> None:
    with taken_port() as port:
        (line,) = refused(tmp_path, AEGIS_HTTP_PORT=str(port))
    assert line == (
        f"ERROR Cannot listen on 127.0.0.1:{port} (Address already in use): "
        "stop what listens there, or set AEGIS_HTTP_PORT"
    )


def test_the_port_is_not_open_before_everything_else_is_right(tmp_path: Path) -> None:
    with taken_port() as port:
        pass
    opened = False
    environment = {"AEGIS_HTTP_PORT": str(port), "AEGIS_DATA_DIR": "/dev/null/data"}
    command = subprocess.Popen(
        ["env", "-u", "AEGIS_AUTH_KIND", *(f"{k}={v}" for k, v in environment.items()), COMMAND],
        stderr=subprocess.DEVNULL,
    )
    while command.poll() is None:
        with socket.socket() as knock:
            opened |= knock.connect_ex(("127.0.0.1", port)) == 0
        time.sleep(0.001)
    assert command.returncode == 1
    assert not opened


def test_a_setting_that_nothing_reads_is_named_and_does_not_stop_the_boot(tmp_path: Path) -> None:
    with running(tmp_path / "data", AEGIS_HTTP_PROT="8080") as server:
        assert "WARNING AEGIS_HTTP_PROT is set, but nothing that is loaded reads it" in server.log


def test_it_boots_fast_and_stays_small(tmp_path: Path) -> None:
    began = time.monotonic()
    with running(tmp_path / "data") as server:
        seconds = time.monotonic() - began
        time.sleep(0.5)
        resident = resident_mib(server)
        print(f"boot {seconds:.2f} s from the start of the process, idle {resident:.1f} MiB")
        assert seconds <= BOOT_SECONDS  # on a machine that has other things to do; else below 2
        assert resident < IDLE_MIB
