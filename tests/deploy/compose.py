"""A small reader of our compose file, with the interpolation of the Compose Specification."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<rule>:-|:\?)(?P<rest>[^}]*))?\})")


class Compose:
    """The file as an engine sees it with a shell's variables.

    Raises ValueError, with the file's message, where a required one is not set.
    """

    def __init__(self, path: Path, shell: Mapping[str, str]) -> None:
        self._shell = shell
        self.document: dict[str, Any] = self._fill(yaml.safe_load(path.read_text("utf-8")))

    def service(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.document["services"][name]
        return found

    def environment(self, service: str) -> dict[str, str]:
        """What the container's process gets; a name without a value only where the shell has it."""
        given = self.service(service)["environment"]
        wanted = {name: self._shell.get(name) if v is None else str(v) for name, v in given.items()}
        return {name: value for name, value in wanted.items() if value is not None}

    def _fill(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._fill(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._fill(each) for each in value]
        return _VARIABLE.sub(self._value, value) if isinstance(value, str) else value

    def _value(self, match: re.Match[str]) -> str:
        if match["name"] is None:
            return "$"
        value = self._shell.get(match["name"], "")
        if value or match["rule"] is None:
            return value
        if match["rule"] == ":?":
            raise ValueError(f"required variable {match['name']}: {match['rest']}")
        return str(match["rest"])
