"""Every way in which a plugin can be wrong stops the boot with one message that mends it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from aegis_kernel.domain.errors import (
    BootError,
    PluginConflictError,
    PluginContractError,
    PluginLoadError,
    PluginNotFoundError,
)
from aegis_kernel.engine.loader import ask, installed_plugins, load
from aegis_kernel.spi.audit_sink import AuditSink
from aegis_kernel.spi.hooks import NoSettings
from aegis_kernel.testing.doubles import plugin_context

GROUP = "aegis.audit_sink"

GOOD = """
from aegis_kernel import HEALTHY, Plugin as Base, hookimpl

class Sink:
    async def open(self): ...
    async def aclose(self): ...
    async def check(self): return HEALTHY
    async def deliver(self, records): ...

class Plugin(Base):
    spi_version = 1

    @hookimpl
    def aegis_audit_sink(self, context):
        return Sink()
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a distribution: its module, and the metadata that an installer would write."""

    def write(name: str, source: str, *, dist: str = "", target: str = "Plugin") -> None:
        dist = dist or f"aegis-{name}"
        module = dist.replace("-", "_") + "_stranger"
        folder = tmp_path / dist
        folder.mkdir()
        (folder / f"{module}.py").write_text(source)
        info = folder / f"{dist.replace('-', '_')}-2.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 2.1\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {module}:{target}\n")
        monkeypatch.syspath_prepend(folder)
        importlib.invalidate_caches()

    return write


def ask_for(name: str, tmp_path: Path) -> object:
    return ask(load(GROUP, name), AuditSink, plugin_context(NoSettings(), tmp_path))


def test_a_good_plugin_is_found_with_its_distribution(install: Install, tmp_path: Path) -> None:
    install("good", GOOD)
    assert type(ask_for("good", tmp_path)).__name__ == "Sink"
    assert "good (aegis-good 2.1)" in [str(plugin) for plugin in installed_plugins()]


def test_an_absent_plugin_is_told_with_what_is_installed(install: Install) -> None:
    install("good", GOOD)
    with pytest.raises(PluginNotFoundError) as error:
        load(GROUP, "absent")
    assert "no aegis.audit_sink plugin named 'absent'" in str(error.value)
    assert "good (aegis-good 2.1)" in str(error.value)


def test_two_distributions_with_one_name_are_both_named(install: Install) -> None:
    install("twin", GOOD, dist="aegis-t1")
    install("twin", GOOD, dist="aegis-t2")
    with pytest.raises(PluginConflictError, match=r"twin \(aegis-t[12] 2\.1\), twin \(aegis-t[12]"):
        load(GROUP, "twin")


WRONG: list[tuple[str, str, type[BootError], str]] = [
    ("unimportable", "import no_such_module", PluginLoadError, "no_such_module"),
    ("syntax", "def", PluginLoadError, "SyntaxError"),
    ("exits", "raise SystemExit(3)", PluginLoadError, "cannot be imported"),
    ("old", GOOD.replace("spi_version = 1", "spi_version = 0"), PluginContractError, "speaks SPI 0"),
    ("unversioned", GOOD.replace("spi_version = 1", "pass"), PluginContractError, "speaks SPI None"),
    ("function", "def Plugin(): ...", PluginContractError, "must be a class"),
    ("unbuildable", GOOD.replace("spi_version = 1", "spi_version = 1\n    def __init__(self): 1/0"), PluginLoadError, "cannot be built"),
    ("misspelt", GOOD.replace("aegis_audit_sink", "aegis_audit_snik"), PluginContractError, "aegis_audit_snik"),
    ("greedy", GOOD.replace("self, context", "self, context, more"), PluginContractError, "more"),
    ("silent", GOOD.replace("return Sink()", "return None"), PluginContractError, "gives no provider"),
    ("poor", GOOD.replace("async def deliver(self, records): ...", ""), PluginContractError, "lacks deliver"),
    ("raising", GOOD.replace("return Sink()", "raise ValueError('no disk')"), PluginLoadError, "no disk"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "source", "kind", "words"), WRONG, ids=[row[0] for row in WRONG])
def test_a_wrong_plugin_stops_the_boot(
    name: str, source: str, kind: type[BootError], words: str, install: Install, tmp_path: Path
) -> None:
    install(name, source)
    with pytest.raises(kind) as error:
        ask_for(name, tmp_path)
    assert words in str(error.value)
    assert name in str(error.value)


def test_what_is_not_named_is_never_imported(install: Install, tmp_path: Path) -> None:
    install("good", GOOD)
    install("bomb", "raise RuntimeError('imported')")
    assert ask_for("good", tmp_path)
