"""Real issuers on loopback, each a process of node, told by lines of JSON what to do."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .place import Place, place

HERE = Path(__file__).parent / "issuers"


class RealIssuer:
    """A process that serves an issuer; `url` is what its tokens call it."""

    def __init__(self, script: Path) -> None:
        self._process = subprocess.Popen(
            ["node", script.name],
            cwd=script.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._said: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.url = self.tell("start")

    def tell(self, name: str, **given: Any) -> Any:
        """Have it carry out a command, and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"name": name, **given}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "".join(self._said)
        return json.loads(line)

    def token(self, **given: Any) -> str:
        token: str = self.tell("token", **given)
        return token

    def end(self) -> None:
        self._process.kill()
        self._process.wait(10)
        self._listener.join(10)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        self._said.extend(self._process.stderr)


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    """A small issuer of our own, which answers as it should."""
    with place() as here:
        yield here


@pytest.fixture(scope="session")
def node_programs() -> Path:
    """A folder with the issuers' programs and, installed once per lock file, their packages."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(HERE.iterdir())))
    cache = os.environ.get("XDG_CACHE_HOME") or tempfile.gettempdir()
    home = Path(cache) / f"aegis-test-issuers-{digest.hexdigest()[:16]}"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "ready").exists():
            shutil.copytree(HERE, home, dirs_exist_ok=True)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=home, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            (home / "ready").touch()
    return home


@contextmanager
def running(script: Path) -> Iterator[RealIssuer]:
    issuer = RealIssuer(script)
    try:
        yield issuer
    finally:
        issuer.end()


@pytest.fixture(scope="session")
def provider(node_programs: Path) -> Iterator[RealIssuer]:
    """oidc-provider, with the clients robot-RS256, robot-ES256 and robot-EdDSA."""
    with running(node_programs / "provider.mjs") as issuer:
        yield issuer


@pytest.fixture
def mock(node_programs: Path) -> Iterator[RealIssuer]:
    """oauth2-mock-server, fresh for each test that turns its keys, with the one key `first`."""
    with running(node_programs / "mock.mjs") as issuer:
        issuer.tell("generate", algorithm="ES256", kid="first")
        yield issuer
