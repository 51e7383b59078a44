"""What stops a server of several workers before its port is open: one message, not one for each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workers.crew import postgres_settings


def boot(data: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("AEGIS_")}
    ours = {"AEGIS_DATA_DIR": str(data), "AEGIS_HTTP_PORT": "0"}
    return subprocess.run(
        [sys.executable, "-m", "aegis_kernel.server", *arguments],
        env=inherited | ours | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("kind", ["sqlite", "memory"])
def test_a_journal_of_one_process_takes_no_workers(tmp_path: Path, kind: str) -> None:
    done = boot(tmp_path, "serve", "--workers", "2", AEGIS_JOURNAL_KIND=kind)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"ERROR AEGIS_WORKERS=2: the {kind} journal serves one process; set")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("workers", ["0", "65", "two"])
def test_a_number_that_is_none_is_refused(tmp_path: Path, workers: str) -> None:
    done = boot(tmp_path, AEGIS_WORKERS=workers)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "AEGIS_WORKERS" in done.stderr


def test_what_only_the_boot_finds_out_is_said_once(tmp_path: Path) -> None:
    nowhere = "postgresql://aegis@127.0.0.1:1/nowhere"
    done = boot(tmp_path, **postgres_settings(nowhere))
    assert done.returncode == 1
    assert done.stderr.count("ERROR") == 1, done.stderr
    assert "Started" not in done.stderr
