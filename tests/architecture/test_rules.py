"""The house keeps its rules, and every rule sees the violation that it is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import dedent

import pytest

from tests.architecture import habits, imports, names
from tests.architecture.source import ROOT, kernel, plugin_tests, plugins

Rule = Callable[[Path], Iterable[str]]

RULES: tuple[Rule, ...] = (
    imports.upward_imports,
    imports.impure_domain,
    imports.homeless_packages,
    imports.undeclared_libraries,
    imports.plugin_imports,
    habits.clock_readings,
    habits.environment_readings,
    habits.greedy_loading,
    habits.import_time_state,
    habits.oversize,
    names.misspelt_plugins,
    names.versions,
    names.workspace,
    names.facade,
)

KERNEL_PROJECT = """
    [project]
    name = "aegis-kms"
    version = "1.2.3"
    dependencies = ["msgspec>=0.22", "PyYAML>=6", "stevedore"]
    [project.optional-dependencies]
    default = ["aegis-auth-mine==1.2.3"]
    [tool.uv.sources]
    aegis-auth-mine = { workspace = true }
    """
PLUGIN_PROJECT = """
    [project]
    name = "aegis-auth-mine"
    version = "1.2.3"
    dependencies = ["aegis-kms==1.2.3", "pyjwt[crypto]>=2"]
    [project.entry-points."aegis.authenticator"]
    mine = "aegis_auth_mine:Plugin"
    """
FACADE = """
    from aegis_kernel.domain.key import LIMIT, Key, parse
    __all__ = ["LIMIT", "Key", "parse"]
    """
MINE = "plugins/auth_mine"
MINE_SOURCE = f"{MINE}/src/aegis_auth_mine/__init__.py"
LOADER = "aegis_kernel/engine/loader.py"

LONG_FUNCTION = "def f():\n" + "    g()\n" * 60
LONG_FILE = "# line\n" * 301

PLANTED: tuple[tuple[Rule, str, str], ...] = (
    (imports.upward_imports, "aegis_kernel/domain/a.py", "from aegis_kernel.spi import hooks"),
    (imports.upward_imports, "aegis_kernel/spi/a.py", "import aegis_kernel.engine.loader"),
    (imports.upward_imports, "aegis_kernel/engine/a.py", "from aegis_kernel.rest.app import x"),
    (imports.upward_imports, "aegis_kernel/engine/a.py", "from ..rest import app"),
    (imports.upward_imports, "aegis_kernel/engine/a.py", "from aegis_kernel import rest"),
    (imports.upward_imports, "aegis_kernel/engine/a.py", "from aegis_kernel import Key"),
    (imports.upward_imports, "aegis_kernel/rest/a.py", "def f():\n    import aegis_kernel"),
    (imports.upward_imports, "aegis_kernel/testing/a.py", "from aegis_kernel.engine import x"),
    (imports.upward_imports, "aegis_kernel/newlayer/a.py", ""),
    (imports.upward_imports, "aegis_kernel/__init__.py", "import aegis_kernel.engine.clock"),
    (imports.impure_domain, "aegis_kernel/domain/a.py", "import yaml"),
    (imports.homeless_packages, "aegis_kernel/engine/a.py", "import yaml"),
    (imports.homeless_packages, "aegis_kernel/engine/loader_too.py", "import stevedore"),
    (imports.homeless_packages, MINE_SOURCE, "import jwt"),
    (imports.homeless_packages, MINE_SOURCE, "import httpx"),
    (imports.undeclared_libraries, MINE_SOURCE, "from prometheus_client import Counter"),
    (imports.undeclared_libraries, "aegis_kernel/rest/a.py", "import litestar"),
    (imports.plugin_imports, MINE_SOURCE, "from aegis_kernel.spi.hooks import Plugin"),
    (imports.plugin_imports, MINE_SOURCE, "import aegis_auth_dev"),
    (imports.plugin_imports, MINE_SOURCE, "from aegis_kernel.testing import doubles"),
    (imports.plugin_imports, f"{MINE}/tests/test_a.py", "from aegis_kernel.engine import x"),
    (imports.plugin_imports, f"{MINE}/tests/test_a.py", "import aegis_journal_sqlite"),
    (habits.clock_readings, "aegis_kernel/engine/a.py", "import time\nt = time.time()"),
    (habits.clock_readings, "aegis_kernel/engine/a.py", "from time import monotonic"),
    (habits.clock_readings, MINE_SOURCE, "import datetime\nd = datetime.datetime.now()"),
    (habits.environment_readings, "aegis_kernel/engine/a.py", "import os\nos.environ['A']"),
    (habits.environment_readings, MINE_SOURCE, "from os import getenv"),
    (habits.greedy_loading, LOADER, "def f(pm): pm.load_setuptools_entrypoints('aegis')"),
    (habits.greedy_loading, LOADER, "from stevedore import x\nx.NamedExtensionManager('a')"),
    (habits.greedy_loading, LOADER, "from stevedore import x\nx.HookManager('a')"),
    (habits.greedy_loading, LOADER, "import stevedore\ndef f(m): m.map(print)"),
    (habits.greedy_loading, "aegis_kernel/spi/a.py", "@hookspec(firstresult=True)\ndef f(): ..."),
    (habits.import_time_state, "aegis_kernel/engine/a.py", "seen = {}"),
    (habits.import_time_state, "aegis_kernel/engine/a.py", "seen: dict[str, int] = {}"),
    (habits.import_time_state, "aegis_kernel/engine/a.py", "seen = collections.deque()"),
    (habits.import_time_state, "aegis_kernel/engine/a.py", "pm = pluggy.PluginManager('aegis')"),
    (habits.import_time_state, "aegis_kernel/rest/a.py", "app = Litestar()"),
    (habits.import_time_state, "aegis_kernel/engine/a.py", "logging.basicConfig()"),
    (habits.import_time_state, "aegis_kernel/engine/a.py", "for name in NAMES:\n    g(name)"),
    (habits.import_time_state, "aegis_kernel/engine/a.py", "def f():\n    global x\n    x = 1"),
    (habits.import_time_state, "aegis_kernel/engine/a.py", "@functools.cache\ndef f(): ..."),
    (habits.import_time_state, MINE_SOURCE, "@lru_cache(maxsize=None)\ndef f(): ..."),
    (habits.import_time_state, MINE_SOURCE, "@lru_cache\ndef f(): ..."),
    (habits.oversize, "aegis_kernel/engine/a.py", LONG_FUNCTION),
    (habits.oversize, MINE_SOURCE, LONG_FILE),
    (names.misspelt_plugins, f"{MINE}/pyproject.toml", PLUGIN_PROJECT.replace("mine:P", "mine:p")),
    (names.misspelt_plugins, f"{MINE}/pyproject.toml", PLUGIN_PROJECT.replace("mine =", "my =")),
    (
        names.misspelt_plugins,
        f"{MINE}/pyproject.toml",
        PLUGIN_PROJECT.replace("aegis-auth-mine", "aegis-mine"),
    ),
    (names.misspelt_plugins, "plugins/auth_other/pyproject.toml", PLUGIN_PROJECT),
    (names.versions, f"{MINE}/pyproject.toml", PLUGIN_PROJECT.replace('= "1.2', '= "1.1')),
    (names.versions, f"{MINE}/pyproject.toml", PLUGIN_PROJECT.replace("==1.2.3", ">=1.2.3")),
    (names.versions, "pyproject.toml", KERNEL_PROJECT.replace("mine==1.2.3", "mine==1.2.2")),
    (names.workspace, "pyproject.toml", KERNEL_PROJECT.replace("aegis-auth-mine==1.2.3", "x==1")),
    (names.workspace, "pyproject.toml", KERNEL_PROJECT.replace("aegis-auth-mine = {", "other = {")),
    (names.facade, "aegis_kernel/__init__.py", FACADE.replace("parse\n", "parse, hidden\n")),
    (names.facade, "aegis_kernel/__init__.py", FACADE.replace('"parse"', '"parse", "phantom"')),
    (names.facade, "aegis_kernel/__init__.py", FACADE.replace('"LIMIT", "Key"', '"Key", "LIMIT"')),
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(rule: Rule) -> None:
    assert list(rule(ROOT)) == []


def test_the_rules_look_at_the_kernel_at_every_plugin_and_at_its_tests() -> None:
    on_disk = {path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")}
    assert len(kernel()) > 40
    assert on_disk <= {Path(module.home).name for module in plugins()}
    assert on_disk <= {Path(module.home).name for module in plugin_tests()}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_small_house_in_order_has_no_violation(rule: Rule, tmp_path: Path) -> None:
    _small_house(tmp_path)
    assert list(rule(tmp_path)) == []


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    PLANTED,
    ids=[f"{r.__name__}-{n}" for n, (r, *_) in enumerate(PLANTED)],
)
def test_a_planted_violation_is_seen(rule: Rule, path: str, text: str, tmp_path: Path) -> None:
    _small_house(tmp_path)
    _write(tmp_path / path, text)
    assert list(rule(tmp_path)) != []


def test_every_rule_has_a_planted_violation() -> None:
    assert {rule for rule, _, _ in PLANTED} == set(RULES)


def _small_house(root: Path) -> None:
    _write(root / "pyproject.toml", KERNEL_PROJECT)
    _write(root / "aegis_kernel/__init__.py", FACADE)
    _write(root / "aegis_kernel/domain/key.py", "import msgspec\nNAMES: Mapping[str, int] = {}")
    _write(root / "aegis_kernel/spi/hooks.py", "from aegis_kernel.domain import key")
    _write(root / LOADER, "import stevedore\nfrom aegis_kernel.spi import hooks")
    _write(root / "aegis_kernel/engine/clock.py", "import time\ndef f():\n    return time.time()")
    _write(root / "aegis_kernel/rest/openapi.py", "import yaml\nfrom ..engine import loader")
    _write(root / "aegis_kernel/server.py", "import os\nfrom aegis_kernel.rest import openapi")
    _write(root / "aegis_kernel/testing/kit.py", "from aegis_kernel.spi import hooks")
    _write(root / f"{MINE}/pyproject.toml", PLUGIN_PROJECT)
    _write(root / MINE_SOURCE, "from aegis_kernel import Key\nimport aegis_auth_mine.other")
    _write(root / f"{MINE}/src/aegis_auth_mine/py.typed", "")
    _write(root / f"{MINE}/tests/test_mine.py", "from aegis_kernel.testing import doubles")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
