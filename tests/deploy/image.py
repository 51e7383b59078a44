"""Carries out a Dockerfile's steps without a container engine: the same commands, in a folder.

What an engine would isolate is not isolated here. Paths such as /opt/aegis stand below the folder;
`python` is this machine's. So this says that the steps lead to a server, not that an image does.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.deploy.context import Context
from tests.deploy.dockerfile import Instruction, Stage, read

STEP_SECONDS = 200
_USABLE = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
_OURS = re.compile(r"(?<![\w.\-/$])/(?=(?:opt|build|var/lib)(?:/|\b))")
_OWNER = re.compile(r" --owner=\d+ --group=\d+")


class Image:
    """The last stage, in the folder `root`; stages before it are kept beside."""

    def __init__(self, checkout: Path, dockerfile: Path, folder: Path) -> None:
        self.root = folder / "image"
        self.stage = (stages := read(dockerfile))[-1]
        self._folder = folder
        self._context = folder / "context"
        ignored = Context((checkout / ".dockerignore").read_text(encoding="utf-8"))
        ignored.copy(checkout, self._context)
        self._base = folder / "base" / "bin"
        python, self.identity = _interpreter(*self.user)
        subprocess.run([python, "-m", "venv", self._base.parent], check=True)
        for stage in stages:
            self._carry_out(stage)

    def place(self, text: str) -> str:
        """Return the text with the image's paths as they are on this machine."""
        return _OURS.sub(f"{self.root}/", text)

    @property
    def environment(self) -> dict[str, str]:
        """What a process in a container gets from the image alone."""
        given = {name: self.place(value) for name, value in self.stage.pairs("ENV").items()}
        return given | {"PATH": given["PATH"].replace("$PATH", os.defpath)}

    @property
    def user(self) -> tuple[int, int]:
        uid, gid = self.stage.one("USER").text.split(":")
        return int(uid), int(gid)

    def _carry_out(self, stage: Stage) -> None:
        self.root.mkdir()
        self.root.chmod(0o755)
        self._directory, self._variables = self.root, dict[str, str]()
        for instruction in stage.instructions:
            if step := getattr(self, f"_{instruction.name.lower()}", None):
                step(instruction)
        if stage is not self.stage:
            # The next stage starts empty, at the same paths: what it does not copy is not there.
            self.root.rename(self._folder / stage.name)

    def _env(self, instruction: Instruction) -> None:
        pairs = (word.partition("=") for word in instruction.words)
        self._variables |= {name: value for name, _, value in pairs if name != "PATH"}

    def _workdir(self, instruction: Instruction) -> None:
        self._directory = Path(self.place(instruction.text))
        self._directory.mkdir(parents=True)

    def _copy(self, instruction: Instruction) -> None:
        *sources, target = instruction.words
        stage = instruction.options.get("from")
        origin = self._folder / stage if stage else self._context
        for source in sources:
            found = origin / source.lstrip("/")
            goal = self._directory / self.place(target)
            if found.is_dir():
                shutil.copytree(found, goal, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy(found, goal / found.name if target.endswith("/") else goal)

    def _run(self, instruction: Instruction) -> None:
        command = self.place(instruction.text)
        if os.geteuid() != 0:
            command = _OWNER.sub("", command)
        path = f"{self._base}:{os.environ['PATH']}"
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self._directory,
            env=os.environ | self._variables | {"PATH": path, "PYTHONDONTWRITEBYTECODE": ""},
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
        )
        assert done.returncode == 0, f"{instruction.text}\n{done.stderr}"


def _interpreter(uid: int, gid: int) -> tuple[str, dict[str, Any]]:
    """Return a Python, and how to run it as the image's user; as oneself, if that cannot be."""
    mine = getattr(sys, "_base_executable", sys.executable)
    user: dict[str, Any] = {"user": uid, "group": gid, "extra_groups": []}
    if os.geteuid() == 0:
        # Root's own Python may lie where no other user may look; then the machine's serves.
        for python in (mine, shutil.which("python3", path=os.defpath)):
            if python and _can_run(python, user):
                return python, user
    return mine, {}


def _can_run(python: str, user: dict[str, Any]) -> bool:
    try:
        command = [python, "-I", "-c", _USABLE]
        return subprocess.run(command, capture_output=True, cwd="/", **user).returncode == 0
    except PermissionError:
        return False
