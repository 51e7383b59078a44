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
from typing import Any, NamedTuple

from aegis_auth_hmac import JwtIssuer

from benchmarks.load import UNLIMITED

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
        (folder / "echo.lua").write_text(_lua("/", "", PAYLOAD.decode()))
        targets = {"bare echo": echo, "encrypt": aegis.target}
        rates, costs = _rounds(targets, chosen.rounds, chosen.seconds, chosen.connections)
        ratio = rates["encrypt"] / rates["bare echo"]
        print(f"{chosen.connections} connections: encrypt / bare echo = {ratio:.3f}")
        print(f"by processor time per request: {costs['bare echo'] / costs['encrypt']:.3f}")
        print(
            f"server: boot {aegis.boot_seconds:.2f} s, idle {aegis.idle_mib:.0f} MiB, now {aegis.mib():.0f} MiB"
        )
    return 0 if ratio >= chosen.least_ratio else 1


class _Target(NamedTuple):
    """A server under load, and what wrk sends it."""

    url: str
    script: Path
    process: int


class _Round(NamedTuple):
    """What one round showed; processor time of the server in µs per request."""

    rate: float
    median: str
    late: str
    user: float
    system: float

    @property
    def cost(self) -> float:
        return self.user + self.system


def _rounds(
    targets: dict[str, _Target], rounds: int, seconds: int, connections: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the medians of rate and cost of each target; the cost repeats on a busy machine."""
    seen: dict[str, list[_Round]] = {name: [] for name in targets}
    for _ in range(rounds):
        for name, target in targets.items():
            seen[name].append(_load(target, seconds, connections))
    for name, results in seen.items():
        by_rate = sorted(results)
        by_cost = sorted(results, key=lambda one: one.cost)
        middle, cost = by_rate[len(results) // 2], by_cost[len(results) // 2]
        print(
            f"{name:10} {statistics.median(r.rate for r in results):9.0f} req/s"
            f"  (min {by_rate[0].rate:.0f}, max {by_rate[-1].rate:.0f})"
            f"  p50 {middle.median}  p99 {middle.late}"
            f"  processor {cost.cost:.1f} µs (user {cost.user:.1f}, system {cost.system:.1f})"
        )
    return (
        {name: statistics.median(r.rate for r in results) for name, results in seen.items()},
        {name: statistics.median(r.cost for r in results) for name, results in seen.items()},
    )


def _load(target: _Target, seconds: int, connections: int) -> _Round:
    user, system = _processor_seconds(target.process)
    text = _wrk(target.url, target.script, seconds, connections)
    user_after, system_after = _processor_seconds(target.process)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    count = re.search(r"(\d+) requests in", text)
    middle, late = re.search(r"50%\s+(\S+)", text), re.search(r"99%\s+(\S+)", text)
    assert rate
    assert count
    assert middle
    assert late
    each = 1e6 / int(count[1])
    return _Round(
        float(rate[1]),
        middle[1],
        late[1],
        (user_after - user) * each,
        (system_after - system) * each,
    )


def _processor_seconds(process: int) -> tuple[float, float]:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    return int(fields[11]) / tick, int(fields[12]) / tick


def _wrk(url: str, script: Path, seconds: int, connections: int) -> str:
    command = ["taskset", "-c", LOAD_CPU, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    command += ["--latency", "-s", str(script), url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text:
        raise SystemExit(f"{url} answered errors:\n{text}")
    return text


def _lua(path: str, headers: str, body: str) -> str:
    return (
        f'wrk.method = "POST"\nwrk.path = "{path}"\nwrk.body = {json.dumps(body)}\n'
        f'wrk.headers["Content-Type"] = "application/json"\n{headers}\n'
    )


@contextmanager
def _echo(folder: Path) -> Iterator[_Target]:
    command = ["taskset", "-c", SERVER_CPU, sys.executable, "-m", "uvicorn", "benchmarks.echo:app"]
    command += ["--port", "18099", "--no-access-log", "--loop", "uvloop", "--http", "httptools"]
    command += ["--lifespan", "off", "--log-level", "error"]
    process = subprocess.Popen(command)
    try:
        _wait("http://127.0.0.1:18099/")
        yield _Target("http://127.0.0.1:18099", folder / "echo.lua", process.pid)
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
            **UNLIMITED,
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

    @property
    def target(self) -> _Target:
        return _Target(self.url, self.script, self._process.pid)

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
