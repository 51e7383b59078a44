"""What a container engine sends to the builder: the folder, without what .dockerignore leaves out."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path, PurePosixPath


class Context:
    """The rules of a .dockerignore: the last pattern that matches a path or its folder decides."""

    def __init__(self, patterns: str) -> None:
        lines = [line.strip() for line in patterns.splitlines()]
        rules = [line for line in lines if line and not line.startswith("#")]
        self._rules = [(_expression(rule.lstrip("!")), rule[0] == "!") for rule in rules]

    def sends(self, path: str) -> bool:
        whole = PurePosixPath(path)
        names = [whole.as_posix(), *(parent.as_posix() for parent in whole.parents)]
        sent = True
        for expression, keeps in self._rules:
            if any(expression.fullmatch(name) for name in names):
                sent = keeps
        return sent

    def copy(self, root: Path, target: Path) -> None:
        for path in filter(self.sends, tracked(root)):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / path, target / path)


def tracked(root: Path) -> Iterable[str]:
    """Every file of the checkout that is, or could be, in the next commit."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (root / name).is_file()]


def _expression(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern.strip("/"))
    text = text.replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    return re.compile(text)
