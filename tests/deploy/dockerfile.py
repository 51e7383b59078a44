"""A small reader of Dockerfiles: stages, instructions and words, as far as ours goes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple


class Instruction(NamedTuple):
    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """The words without the instruction's own options (`--from=…`)."""
        return [word for word in shlex.split(self.text) if not word.startswith("--")]

    @property
    def options(self) -> dict[str, str]:
        found = [word[2:] for word in shlex.split(self.text) if word.startswith("--")]
        return {name: value for name, _, value in (word.partition("=") for word in found)}

    @property
    def command(self) -> list[str]:
        """The words of an exec form. Raises ValueError if it is a line for a shell."""
        given: Any = json.loads(self.text[self.text.index("[") :])
        return [str(word) for word in given]


class Stage(NamedTuple):
    base: str
    name: str
    instructions: list[Instruction]

    def all(self, name: str) -> list[Instruction]:
        return [each for each in self.instructions if each.name == name]

    def one(self, name: str) -> Instruction:
        (found,) = self.all(name)
        return found

    def pairs(self, name: str) -> dict[str, str]:
        """What ENV or LABEL sets."""
        words = [word for each in self.all(name) for word in each.words]
        return {key: value for key, _, value in (word.partition("=") for word in words)}


def read(path: Path) -> list[Stage]:
    stages: list[Stage] = []
    for instruction in _instructions(path.read_text(encoding="utf-8")):
        if instruction.name == "FROM":
            base, *named = instruction.words
            stages.append(Stage(base, named[1] if named else "", []))
        else:
            stages[-1].instructions.append(instruction)
    return stages


def _instructions(text: str) -> list[Instruction]:
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", code)
    lines = [line.strip() for line in joined.splitlines() if line.strip()]
    return [Instruction(*line.split(maxsplit=1)) for line in lines]
