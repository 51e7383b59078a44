"""The journals that protocols run on: each is what it takes to start servers on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.clients import REAL
from tests.faults.launcher import command
from tests.support.server import Server, running


@dataclass(frozen=True)
class Store:
    """A journal under test. `verb` is what aegis-server is told, such as how many workers."""

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    verb: tuple[str, ...] = ("serve",)

    @contextmanager
    def serving(self, data: Path, *changes: str, **environment: str) -> Iterator[Server]:
        """A server on it, with `changes` made by the launcher before it starts."""
        settings = REAL | dict(self.environment) | environment
        with running(data, command=self.command(*changes), **settings) as server:
            yield server

    def command(self, *changes: str) -> list[str]:
        """Return what starts a server with these changes."""
        return [*command(*changes), *self.verb]


SQLITE = Store("sqlite")
