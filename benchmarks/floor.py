"""Encrypt against a bare echo, on one core, in turns: `python -m benchmarks.floor`."""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from aegis_auth_hmac import JwtIssuer

PAYLOAD = b"q2 financial summary: $42M revenue"
SERVER_CPU, LOAD_CPU = "0", "1"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=3)
    options.add_argument("--connections", type=int, default=32)
    options.add_argument("--least-ratio", type=float, default=0.0, help="exit 1 below it")
    chosen = options.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        echo = stack.enter_context(_echo(folder))
        aegis = stack.enter_context(_Aegis(folder).running())
        targets = {"bare echo": (echo, folder / "echo.lua"), "encrypt": (aegis.url, aegis.script)}
        (folder / "echo.lua").write_text(_lua("/", "", PAYLOAD.decode()))
        rates = _rounds(targets, chosen.rounds, chosen.seconds, chosen.connections)
        ratio = rates["encrypt"] / rates["bare echo"]
        print(f"{chosen.connections} connections: encrypt / bare echo = {ratio:.3f}")
        print(
            f"server: boot {aegis.boot_seconds:.2f} s, idle {aegis.idle_mib:.0f} MiB, now {aegis.mib():.0f} MiB"
        )
    return 0 if ratio >= chosen.least_ratio else 1


def _rounds(
    targets: dict[str, tuple[str, Path]], rounds: int, seconds: int, connections: int
) -> dict[str, float]:
    seen: dict[str, list[tuple[float, str, str]]] = {name: [] for name in targets}
    for _ in range(rounds):
        for name, (url, script) in targets.items():
            seen[name].append(_wrk(url, script, seconds, connections))
    for name, results in seen.items():
        rates = sorted(rate for rate, _, _ in results)
        middle = sorted(results)[len(results) // 2]
        print(
            f"{name:10} {statistics.median(rates):9.0f} req/s"
            f"  (min {rates[0]:.0f}, max {rates[-1]:.0f})  p50 {middle[1]}  p99 {middle[2]}"
        )
    return {name: statistics.median(r for r, _, _ in results) for name, results in seen.items()}


def _wrk(url: str, script: Path, seconds: int, connections: int) -> tuple[float, str, str]:
    command = ["taskset", "-c", LOAD_CPU, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    command += ["--latency", "-s", str(script), url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text:
        raise SystemExit(f"{url} answered errors:\n{text}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    middle, late = re.search(r"50%\s+(\S+)", text), re.search(r"99%\s+(\S+)", text)
    assert rate
    assert middle
    assert late
    return float(rate[1]), middle[1], late[1]


def _lua(path: str, headers: str, body: str) -> str:
    return (
        f'wrk.method = "POST"\nwrk.path = "{path}"\nwrk.body = {json.dumps(body)}\n'
        f'wrk.headers["Content-Type"] = "application/json"\n{headers}\n'
    )


@contextmanager
def _echo(folder: Path) -> Iterator[str]:
    command = ["taskset", "-c", SERVER_CPU, sys.executable, "-m", "uvicorn", "benchmarks.echo:app"]
    command += ["--port", "18099", "--no-access-log", "--loop", "uvloop", "--http", "httptools"]
    command += ["--lifespan", "off", "--log-level", "error"]
    process = subprocess.Popen(command)
    try:
        _wait("http://127.0.0.1:18099/")
        yield "http://127.0.0.1:18099"
    finally:
        process.terminate()
        process.wait(10)


def _wait(url: str) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(url).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{url} does not answer")


class _Aegis:
    """A real server with production settings, and one active AES-256 key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._secret = secrets.token_urlsafe(48)
        self.url = "http://127.0.0.1:18098"
        self.script = folder / "encrypt.lua"
        self.boot_seconds = self.idle_mib = 0.0

    @contextmanager
    def running(self) -> Iterator[_Aegis]:
        environment = os.environ | {
            "AEGIS_DATA_DIR": str(self._folder / "data"),
            "AEGIS_AUTH_KIND": "hmac",
            "AEGIS_AUTH_HMAC_SECRET": self._secret,
            "AEGIS_HTTP_PORT": "18098",
        }
        began = time.monotonic()
        server = [sys.executable, "-m", "aegis_kernel.server"]
        audit, log = self._folder / "audit.ndjson", self._folder / "log"
        with audit.open("wb") as out, log.open("wb") as err:
            self._process = subprocess.Popen(
                ["taskset", "-c", SERVER_CPU, *server], env=environment, stdout=out, stderr=err
            )
        try:
            _wait(f"{self.url}/livez")
            self.boot_seconds = time.monotonic() - began
            time.sleep(1)
            self.idle_mib = self.mib()
            self._prepare()
            yield self
        finally:
            self._process.terminate()
            self._process.wait(20)

    def mib(self) -> float:
        """Return the server's resident memory."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found
        return int(found[1]) / 1024

    def _prepare(self) -> None:
        token = JwtIssuer.hmac(self._secret).issue("bench", {"admins"}, timedelta(hours=12))
        self._token = token
        spec = {"name": "bench", "algorithm": "AES", "sizeBits": 256}
        key_id = self._post("/v1/keys", {"spec": spec})["id"]
        self._post(f"/v1/keys/{key_id}/activate", None)
        body = {
            "plaintextBase64": base64.b64encode(PAYLOAD).decode(),
            "context": {"dataset": "q2-financials", "tenant": "acme"},
        }
        header = f'wrk.headers["Authorization"] = "Bearer {token}"'
        self.script.write_text(_lua(f"/v1/keys/{key_id}/encrypt", header, json.dumps(body)))

    def _post(self, path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        data = b"" if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method="POST")
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


if __name__ == "__main__":
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")
    sys.exit(main())
