"""R16, a backup that is made while requests go on, restored elsewhere, by the verbs of real processes."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.report import Faults
from tests.support.server import Server, running

FAULT = "backup under load, sqlite"
WORKERS = 6
USER = {"X-Aegis-User": "alice"}
SPEC = {"name": "load", "algorithm": "HMAC", "sizeBits": 256}
AES = {"name": "load", "algorithm": "AES", "sizeBits": 256}


def verb(server: Server, data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = server.environment | {"AEGIS_DATA_DIR": str(data)}
    return subprocess.run(
        [sys.executable, "-m", "aegis_kernel.server", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


async def work(url: str, acknowledged: dict[str, str], stop: asyncio.Event) -> None:
    """Make keys, and remember a ciphertext under each as soon as it is acknowledged."""
    async with httpx.AsyncClient(base_url=url, headers=USER, timeout=20) as client:
        while not stop.is_set():
            key_id = (await client.post("/v1/keys", json={"spec": AES})).json()["id"]
            await client.post(f"/v1/keys/{key_id}/activate")
            body = {"plaintextBase64": "aGVsbG8="}
            sealed = (await client.post(f"/v1/keys/{key_id}/encrypt", json=body)).json()
            acknowledged[key_id] = sealed["ciphertextBase64"]


async def made_by(acknowledged: dict[str, str], least: int) -> None:
    """Wait until at least so many keys are acknowledged."""
    while len(acknowledged) < least:
        await asyncio.sleep(0.02)


async def decrypt(url: str, acknowledged: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=url, headers=USER, timeout=20) as client:
        for key_id, ciphertext in acknowledged.items():
            body = {"ciphertextBase64": ciphertext}
            answer = await client.post(f"/v1/keys/{key_id}/decrypt", json=body)
            assert answer.json().get("plaintextBase64") == "aGVsbG8=", answer.text


async def test_all_that_was_acknowledged_before_the_start_decrypts(
    tmp_path: Path, faults: Faults
) -> None:
    data, new, file = tmp_path / "data", tmp_path / "new", tmp_path / "backup"
    with running(data) as server:
        acknowledged: dict[str, str] = {}
        stop = asyncio.Event()
        tasks = [asyncio.create_task(work(server.url, acknowledged, stop)) for _ in range(WORKERS)]
        await asyncio.sleep(faults.of(3, 20))
        await made_by(acknowledged, WORKERS)
        before = dict(acknowledged)
        made = await asyncio.to_thread(verb, server, data, "backup", "create", str(file))
        during = len(acknowledged) - len(before)
        # The master key rotates under the same load, and the backup keeps needing the old one.
        new.mkdir(mode=0o700)
        shutil.copy(data / "master.key", new / "master.key")
        rotated = await asyncio.to_thread(verb, server, data, "master", "rotate")
        stop.set()
        await asyncio.gather(*tasks)
        assert made.returncode == 0, made.stderr
        assert rotated.returncode == 0, rotated.stderr
        await decrypt(server.url, acknowledged)
        manifest: dict[str, Any] = json.loads(made.stdout)
        assert manifest["materialRows"] >= len(before) > 0
        assert during > 0
        again = await asyncio.to_thread(verb, server, data, "backup", "create", str(file))
        assert again.returncode == 1
        assert "overwrites nothing" in again.stderr
        assert server.terminate() == 0

        wrong = verb(server, data, "backup", "verify", str(file))
        assert wrong.returncode == 1
        assert "needs the master key" in wrong.stderr
        torn = verb(server, new, "backup", "verify", str(truncated(file, faults)))
        assert torn.returncode == 1
        assert torn.stderr
        verified = verb(server, new, "backup", "verify", str(file))
        assert verified.returncode == 0, verified.stderr
        restored = verb(server, new, "backup", "restore", str(file))
        assert restored.returncode == 0, restored.stderr
    with running(new) as restored_server:
        await decrypt(restored_server.url, before)
    faults.passed("R16", FAULT, 1, keys_before=len(before), keys_during=during, lost=0)


def truncated(file: Path, faults: Faults) -> Path:
    """Return a copy of the backup that lacks its end, from anywhere on."""
    whole = file.read_bytes()
    torn = file.with_suffix(".torn")
    torn.write_bytes(whole[: faults.dice.randrange(len(whole))])
    torn.chmod(0o600)
    return torn


async def test_it_turns_red_when_the_live_file_is_just_copied(
    tmp_path: Path, faults: Faults
) -> None:
    data, new = tmp_path / "data", tmp_path / "new"
    with running(data) as server:
        acknowledged: dict[str, str] = {}
        stop = asyncio.Event()
        tasks = [asyncio.create_task(work(server.url, acknowledged, stop)) for _ in range(WORKERS)]
        await made_by(acknowledged, WORKERS)
        before = dict(acknowledged)
        new.mkdir(mode=0o700)
        for name in ("aegis.db", "master.key"):
            shutil.copy(data / name, new / name)
        stop.set()
        await asyncio.gather(*tasks)
    with running(new) as copied, pytest.raises(AssertionError, match="KeyNotFound"):
        await decrypt(copied.url, before)
    faults.red("R16", FAULT, "cp of the live file", f"some of {len(before)} keys are not there")


async def test_a_restored_journal_with_another_master_key_does_not_listen(tmp_path: Path) -> None:
    data, new, file = tmp_path / "data", tmp_path / "new", tmp_path / "backup"
    with running(data) as server:
        async with httpx.AsyncClient(base_url=server.url, headers=USER) as client:
            await client.post("/v1/keys", json={"spec": SPEC})
        assert verb(server, data, "backup", "create", str(file)).returncode == 0
        server.terminate()
        new.mkdir(mode=0o700)
        shutil.copy(data / "master.key", new / "master.key")
        assert verb(server, new, "backup", "restore", str(file)).returncode == 0
        (new / "master.key").unlink()
        refused = verb(server, new, "serve")
        assert refused.returncode == 1
        assert "another master key" in refused.stderr
        assert "Started Aegis server" not in refused.stderr
