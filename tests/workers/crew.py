"""What tests of workers ask: who they are, and what they say together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.server import Server

ALICE = {"X-Aegis-User": "alice"}
AES = {"spec": {"name": "demo", "algorithm": "AES", "sizeBits": 256}}
PLAIN = {"plaintextBase64": "aGVsbG8="}


def postgres_settings(url: str, workers: int = 3, drain: str = "1") -> dict[str, str]:
    return {
        "AEGIS_JOURNAL_KIND": "postgres",
        "AEGIS_JOURNAL_POSTGRES_URL": url,
        "AEGIS_WORKERS": str(workers),
        "AEGIS_DRAIN_SECONDS": drain,
        "AEGIS_SWEEP_SECONDS": "0.2",
    }


def workers_of(server: Server) -> set[int]:
    """Return the ids of the supervisor's children that live."""
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in children if is_alive(int(child))}


def values_of(server: Server) -> set[str]:
    """Return the files in which the workers keep the values of their metrics."""
    environment = Path(f"/proc/{min(workers_of(server))}/environ").read_bytes().split(b"\0")
    (place,) = (each for each in environment if each.startswith(b"PROMETHEUS_MULTIPROC_DIR="))
    return {file.name for file in Path(place.partition(b"=")[2].decode()).glob("*.db")}


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until it holds; fail when it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def active_key(url: str) -> str:
    """Create and activate a key of alice's."""
    made = httpx.post(f"{url}/v1/keys", json=AES, headers=ALICE)
    key: str = made.raise_for_status().json()["id"]
    httpx.post(f"{url}/v1/keys/{key}/activate", headers=ALICE).raise_for_status()
    return key


def encrypt(url: str, key: str) -> str:
    """Encrypt over a connection of its own, so that any worker may answer; return the ciphertext."""
    answer = httpx.post(f"{url}/v1/keys/{key}/encrypt", json=PLAIN, headers=ALICE)
    return str(answer.raise_for_status().json()["ciphertextBase64"])


def counted(url: str, operation: str) -> float:
    """Return how many such operations the page of metrics says there were."""
    page = httpx.get(f"{url}/metrics").raise_for_status().text
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "aegis_keys_op_total" and sample.labels["operation"] == operation
    )


def end_hard(pid: int) -> None:
    os.kill(pid, 9)
