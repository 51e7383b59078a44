"""Schemathesis asks for everything that the server's own document promises, and for what it forbids."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.architecture.source import ROOT
from tests.outside.judge import Judge
from tests.outside.secured import active_key, bearer, client
from tests.outside.sockets import Answer
from tests.support.server import Server

SETTINGS = Path(__file__).with_name("schemathesis_settings")
COMPUTING = "/(sign|verify|mac|verify-mac|encrypt|decrypt|wrap|unwrap|generate-data-key)$"
KEYS: dict[str, dict[str, Any]] = {
    "AES_KEY": {"algorithm": "AES", "sizeBits": 256},
    "RSA_KEY": {"algorithm": "RSA", "sizeBits": 2048},
    "HMAC_KEY": {"algorithm": "HMAC", "sizeBits": 256},
}


def run(server: Server, settings: str, har: Path, *options: str, **keys: str) -> str:
    """Run all checks over the document; return what Schemathesis says of them."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(SETTINGS / settings), "--no-color", "run"),
        f"{server.url}/docs/docs.json",
        *("--header", f"Authorization: {bearer()['Authorization']}"),
        *("--checks", "all", "--generation-deterministic", "--continue-on-failure"),
        *("--request-timeout", "5", "--max-response-time", "5"),
        *("--report", "har", "--report-har-path", str(har), "--output-sanitize", "false"),
        *options,
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.outside.schemathesis_hooks", "PYTHONPATH": str(ROOT)}
    environment = os.environ | hooks | keys
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=90, cwd=har.parent, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def judge_all(judge: Judge, har: Path) -> None:
    """Hold every answer that Schemathesis has got against our own rules as well."""
    for entry in json.loads(har.read_text())["log"]["entries"]:
        asked, answered = entry["request"], entry["response"]
        headers = {pair["name"].lower(): pair["value"] for pair in answered["headers"]}
        answer = Answer(
            status=answered["status"],
            headers=headers,
            body=answered["content"].get("text", "").encode(),
            seconds=entry["time"] / 1000,
        )
        judge.judge(asked["method"], asked["url"], answer)


def test_schemathesis_finds_nothing_in_any_operation(
    target: Server, judge: Judge, tmp_path: Path
) -> None:
    har = tmp_path / "all.har"
    told = run(target, "all.toml", har, "--max-examples", "3")
    assert re.search(r"API Operations:\s+Selected: (\d+)/\1\s+Tested: \1\s", told), told
    judge_all(judge, har)
    assert judge.count >= 900
    assert {200, 201, 202, 400, 401, 404, 405, 409} <= set(judge.seen)
    print(f"{judge.count} requests by Schemathesis: {dict(judge.seen)}")


def test_schemathesis_finds_nothing_in_what_computes_with_active_keys(
    target: Server, judge: Judge, tmp_path: Path
) -> None:
    with client(target) as http:
        keys = {name: active_key(http, spec) for name, spec in KEYS.items()}
    har = tmp_path / "active.har"
    only = ("--phases", "coverage", "--include-path-regex", COMPUTING)
    run(target, "active.toml", har, *only, **keys)
    judge_all(judge, har)
    assert judge.count >= 250
    assert judge.seen[200] >= 30
    print(f"{judge.count} requests by Schemathesis: {dict(judge.seen)}")
