"""What must be spelled alike in several places: plugins, versions, the façade."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.architecture.source import plugin_homes

GROUPS: Mapping[str, str] = {
    "rot": "aegis.root_of_trust",
    "journal": "aegis.journal",
    "audit": "aegis.audit_sink",
    "auth": "aegis.authenticator",
    "authz": "aegis.authorizer",
    "telemetry": "aegis.telemetry",
}

# The environment says `aws`; everything else says which of Amazon's services it is.
SHORT_NAMES: Mapping[str, str] = {"awskms": "aws"}


def misspelt_plugins(root: Path) -> Iterator[str]:
    """Folder, distribution, import and entry point of a plugin are four spellings of one name."""
    for home in plugin_homes(root):
        if home.parent.name != "plugins":
            continue
        kind, _, name = home.name.partition("_")
        package = f"aegis_{home.name}"
        project = _project(home)
        if project["name"] != package.replace("_", "-"):
            yield f"plugins/{home.name}: its distribution is called {project['name']}"
        if not (home / "src" / package / "__init__.py").is_file():
            yield f"plugins/{home.name}: src/{package}/__init__.py is missing"
        if not (home / "src" / package / "py.typed").is_file():
            yield f"plugins/{home.name}: src/{package}/py.typed is missing"
        expected = {GROUPS.get(kind, "?"): {SHORT_NAMES.get(name, name): f"{package}:Plugin"}}
        if project.get("entry-points") != expected:
            yield f"plugins/{home.name}: its entry points are not {expected}"


def versions(root: Path) -> Iterator[str]:
    """Every distribution has the kernel's version, and requires its siblings in that version."""
    version = _project(root)["version"]
    for home in [root, *sorted(path.parent for path in root.glob("plugins/*/pyproject.toml"))]:
        project = _project(home)
        if project["version"] != version:
            yield f"{project['name']} has version {project['version']}, not {version}"
        extras = project.get("optional-dependencies", {}).values()
        for line in [*project.get("dependencies", ()), *(line for e in extras for line in e)]:
            if line.startswith("aegis-") and not re.fullmatch(rf"aegis-[a-z-]+=={version}", line):
                yield f"{project['name']} requires {line}, not version {version}"


def workspace(root: Path) -> Iterator[str]:
    """Every plugin in the house can be had as an extra, and is taken from the workspace."""
    pyproject = tomllib.loads((root / "pyproject.toml").read_text())
    sources = pyproject["tool"]["uv"]["sources"]
    extras = " ".join(
        line for lines in pyproject["project"]["optional-dependencies"].values() for line in lines
    )
    for path in sorted(root.glob("plugins/*/pyproject.toml")):
        name = _project(path.parent)["name"]
        if name not in sources:
            yield f"{name} has no line in [tool.uv.sources]"
        if f"{name}==" not in extras:
            yield f"{name} is in no extra"


def facade(root: Path) -> Iterator[str]:
    """`__all__` is sorted and names exactly what the façade imports."""
    tree = ast.parse((root / "aegis_kernel" / "__init__.py").read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
    }
    listed = next((_listed(node) for node in tree.body if _listed(node)), [])
    if listed != sorted(listed, key=_isort_key):
        yield "aegis_kernel.__all__ is not sorted"
    for name in sorted(imported ^ set(listed)):
        yield f"{name} is {'imported' if name in imported else 'listed'} only"


def _listed(node: ast.stmt) -> list[str]:
    is_all = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    return ast.literal_eval(node.value) if is_all else []  # type: ignore[attr-defined]


def _isort_key(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as ruff's RUF022 sorts them."""
    if name.isupper():
        return 0, name
    return (1 if name[0].isupper() else 2), name


def _project(home: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((home / "pyproject.toml").read_text())["project"]
    return project
