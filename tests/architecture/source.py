"""The source tree as the rules see it: every module with its path, dotted name and syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Module:
    """One Python file. `name` is what importing it is called; `home` the folder of its package."""

    root: Path
    path: Path
    name: str
    home: str

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def is_kernel(self) -> bool:
        return self.home == "aegis_kernel"

    @property
    def is_test(self) -> bool:
        return "tests" in self.path.relative_to(self.root).parts

    @property
    def layer(self) -> str:
        """`aegis_kernel.engine.loader` is in layer `engine`; the package itself is the façade."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else "façade"

    def at(self, node: ast.AST, what: str) -> str:
        return f"{self.path.relative_to(self.root)}:{getattr(node, 'lineno', 1)} {what}"


def kernel(root: Path = ROOT) -> list[Module]:
    return list(_modules(root, root, "aegis_kernel", "aegis_kernel"))


def plugins(root: Path = ROOT) -> list[Module]:
    """The sources of plugins and of the examples that stand for a stranger's plugin."""
    return [
        module
        for home in plugin_homes(root)
        for module in _modules(root, home / "src", "", home.relative_to(root).as_posix())
    ]


def plugin_tests(root: Path = ROOT) -> list[Module]:
    return [
        module
        for home in plugin_homes(root)
        for module in _modules(root, home / "tests", "", home.relative_to(root).as_posix())
    ]


def plugin_homes(root: Path = ROOT) -> list[Path]:
    found = [*root.glob("plugins/*/pyproject.toml"), *root.glob("docs/examples/*/pyproject.toml")]
    return sorted(path.parent for path in found)


def shipped(root: Path = ROOT) -> list[Module]:
    """All that leaves the house in a wheel."""
    return kernel(root) + plugins(root)


def _modules(root: Path, base: Path, package: str, home: str) -> Iterator[Module]:
    for path in sorted((base / package).rglob("*.py")):
        parts = path.relative_to(base).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield Module(root, path, name, home)
