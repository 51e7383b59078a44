"""An error planted in a copy of our code turns its tests red; the copy alone leaves them green."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.vectors.planted import PLANTS, Plant

PACKAGE = "aegis_rot_inmemory"
SOURCE = ROOT / "plugins" / "rot_inmemory" / "src" / PACKAGE


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.what)
def test_a_planted_error_is_seen(plant: Plant, tmp_path: Path) -> None:
    copy = tmp_path / PACKAGE
    shutil.copytree(SOURCE, copy)
    file = copy / plant.file
    text = file.read_text(encoding="utf-8")
    assert text.count(plant.before) == 1, "the plant's place has moved"
    file.write_text(text.replace(plant.before, plant.after), encoding="utf-8")
    run = look(tmp_path, plant.vectors, plant.tests)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "Traceback" not in run.stderr


def test_without_a_plant_all_is_green(tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / PACKAGE)
    parts = {part for plant in PLANTS for part in plant.vectors}
    tests = {test for plant in PLANTS for test in plant.tests}
    assert look(tmp_path, tuple(parts), ()).returncode == 0
    assert look(tmp_path, (), tuple(tests)).returncode == 0


def look(
    path: Path, vectors: tuple[str, ...], tests: tuple[str, ...]
) -> subprocess.CompletedProcess[str]:
    """Run these vectors, or these tests, against the package in `path`."""
    measure = ("tests.vectors.measure", *vectors)
    suite = ("pytest", "-x", "-q", "-p", "no:cacheprovider", *tests)
    return subprocess.run(
        [sys.executable, "-m", *(measure if vectors else suite)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
