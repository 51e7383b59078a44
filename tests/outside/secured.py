"""A server that believes tokens only, as in production, and the tokens that it believes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from aegis_auth_hmac import JwtIssuer

from tests.support.server import UNLIMITED, Server, running

SECRET = "mB3vQ9sK1zX7cW5nR2tL8pJ4hG6fD0aYeUiOqTrEwSxVbN"
AES: dict[str, Any] = {"algorithm": "AES", "sizeBits": 256}


@contextmanager
def secured(data_dir: Path, **environment: str) -> Iterator[Server]:
    """A running server with AEGIS_AUTH_KIND=hmac, and no rate limits but those named."""
    hmac = {"AEGIS_AUTH_KIND": "hmac", "AEGIS_AUTH_HMAC_SECRET": SECRET}
    with running(data_dir, **(hmac | UNLIMITED | environment)) as server:
        yield server


def bearer(subject: str = "alice", *groups: str) -> dict[str, str]:
    """Return the header that says who asks."""
    token = JwtIssuer.hmac(SECRET, now=time.time).issue(subject, set(groups), 3600)
    return {"Authorization": f"Bearer {token}"}


def client(server: Server, subject: str = "alice", *groups: str) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers=bearer(subject, *groups), timeout=10)


def active_key(http: httpx.Client, spec: dict[str, Any] = AES, name: str = "outside") -> str:
    """Create and activate a key, and return its id."""
    created = http.post("/v1/keys", json={"spec": {"name": name, **spec}})
    assert created.status_code == 201, created.text
    key_id: str = created.json()["id"]
    assert http.post(f"/v1/keys/{key_id}/activate").status_code == 200
    return key_id


def resident_mib(server: Server) -> float:
    """Return how much memory the server's process holds now."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kib) / 1024
