"""Who may import whom: rest → engine → spi → domain, and a plugin the façade alone."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.architecture.source import Module, kernel, plugin_tests, plugins, shipped

LAYERS: Mapping[str, frozenset[str]] = {
    "façade": frozenset({"domain", "spi"}),
    "domain": frozenset({"domain"}),
    "spi": frozenset({"domain", "spi"}),
    "engine": frozenset({"domain", "spi", "engine"}),
    "rest": frozenset({"domain", "spi", "engine", "rest"}),
    "testing": frozenset({"domain", "spi", "testing"}),
    "acceptor": frozenset(),
    "sockets": frozenset({"domain"}),
    "listener": frozenset({"domain", "acceptor", "sockets"}),
    "commands": frozenset({"domain", "spi", "engine", "commands"}),
    "workers": frozenset({"domain", "spi", "engine", "commands", "sockets", "workers"}),
    "serving": frozenset(
        {"domain", "spi", "engine", "rest", "listener", "sockets", "commands", "workers", "serving"}
    ),
    "server": frozenset(
        {"domain", "spi", "engine", "rest", "commands", "workers", "serving", "server"}
    ),
}

# Every third-party package has one home: the modules under this name, and nowhere else.
HOMES: Mapping[str, tuple[str, ...]] = {
    "litestar": ("aegis_kernel.rest",),
    "yaml": ("aegis_kernel.rest",),
    "uvicorn": ("aegis_kernel.listener",),
    "uvloop": ("aegis_kernel.serving",),
    "stevedore": ("aegis_kernel.engine.loader",),
    "pluggy": ("aegis_kernel.spi.hooks", "aegis_kernel.engine.loader"),
    "pytest": ("aegis_kernel.testing",),
    "hypothesis": ("aegis_kernel.testing",),
    # Roots of trust compute; the kernel only spells the public keys of all of them.
    "cryptography": ("aegis_rot_inmemory", "aegis_kernel.engine.public_keys"),
    "cedarpy": ("aegis_authz_cedar",),
    "jwt": ("aegis_auth_hmac", "aegis_auth_oidc"),
    "psycopg": ("aegis_journal_postgres",),
    "prometheus_client": ("aegis_telemetry_prometheus",),
    "opentelemetry": ("aegis_telemetry_otel",),
}

# The language of data that the whole house speaks; a plugin that uses it directly declares it.
EVERYWHERE = frozenset({"msgspec"})

KIT = "aegis_kernel.testing"


def upward_imports(root: Path) -> Iterator[str]:
    """A layer imports itself and those below it; nothing inside imports the façade."""
    for module in kernel(root):
        if module.layer not in LAYERS:
            yield module.at(module.tree, f"layer {module.layer} has no row in the import rule")
            continue
        for node, name in imports(module):
            if name.split(".")[0] != "aegis_kernel":
                continue
            target = name.split(".")[1] if "." in name else "façade"
            if target not in LAYERS[module.layer]:
                yield module.at(node, f"{module.layer} may not import {target}")


def impure_domain(root: Path) -> Iterator[str]:
    for module in kernel(root):
        if module.layer == "domain":
            for node, name in imports(module):
                if top(name) not in {*sys.stdlib_module_names, "msgspec", "aegis_kernel"}:
                    yield module.at(node, f"domain may not import {name}")


def homeless_packages(root: Path) -> Iterator[str]:
    for module in shipped(root):
        for node, name in imports(module):
            package = top(name)
            if not _is_third_party(package) or package in EVERYWHERE:
                continue
            homes = HOMES.get(package, ())
            if not any(f"{module.name}.".startswith(f"{home}.") for home in homes):
                at_home = f"lives in {', '.join(homes)}" if homes else "has no home in HOMES"
                yield module.at(node, f"{package} {at_home}")


def undeclared_libraries(root: Path) -> Iterator[str]:
    """What a package imports stands in its own requirements."""
    distributions = packages_distributions()
    for module in shipped(root):
        required = _requirements(root if module.is_kernel else root / module.home)
        for node, name in imports(module):
            package = top(name)
            providers = {_canonical(each) for each in distributions.get(package, ())}
            if _is_third_party(package) and not required & providers:
                yield module.at(node, f"{package} is not in its requirements")


def plugin_imports(root: Path) -> Iterator[str]:
    """A plugin imports the façade; its tests also the kit; no plugin imports another."""
    for module in plugins(root) + plugin_tests(root):
        own = f"aegis_{Path(module.home).name}"
        if module.home.startswith("docs/examples/"):
            own = Path(module.home).name.replace("-", "_")
        for node, name in imports(module):
            if not top(name).startswith("aegis_") or top(name) == own:
                continue
            if name == "aegis_kernel" or (module.is_test and name.startswith(KIT)):
                continue
            yield module.at(node, f"a plugin may not import {name}")


def imports(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Every import in the module, under `if TYPE_CHECKING` and in functions too."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node, name) for name in _imported(module, node))


def top(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def _imported(module: Module, node: ast.ImportFrom) -> Iterator[str]:
    source = node.module or ""
    if node.level:
        package = module.name if module.path.name == "__init__.py" else _parent(module.name)
        for _ in range(node.level - 1):
            package = _parent(package)
        source = f"{package}.{source}".rstrip(".")
    if source != "aegis_kernel":
        yield source
        return
    # `from aegis_kernel import engine` names a layer, `from aegis_kernel import Key` the façade.
    for alias in node.names:
        yield f"aegis_kernel.{alias.name}" if alias.name in LAYERS else "aegis_kernel"


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def _is_third_party(package: str) -> bool:
    return package not in sys.stdlib_module_names and not package.startswith("aegis_")


def _requirements(home: Path) -> set[str]:
    project = tomllib.loads((home / "pyproject.toml").read_text())["project"]
    extras = project.get("optional-dependencies", {})
    lines = [*project.get("dependencies", ()), *extras.get("testing", ())]
    return {_canonical(re.split(r"[<>=!~;\[ ]", line, maxsplit=1)[0]) for line in lines}


def _canonical(distribution: str) -> str:
    """PEP 503: names differ in case and separators only."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
