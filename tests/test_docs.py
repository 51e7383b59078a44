"""The pages say what the code does: settings, contract, headings, links; and name no machine."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from aegis_kernel import SettingsSection, variables_of
from aegis_kernel.engine.loader import GROUPS
from aegis_kernel.engine.settings import KernelSettings, Selection
from tests.architecture.source import ROOT
from tools.ports import MODULES, SPI, page

HEADINGS = [
    "What it is",
    "Install and switch on",
    "Settings",
    "Permissions it needs",
    "Failure modes",
]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
PAGES = sorted(
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "benchmarks/*.md",
        "deploy/**/*.md",
        "plugins/*/README.md",
    )
    for path in ROOT.glob(pattern)
)
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:work|root|tmp|home)/")
REGISTRY = re.compile(r"(pypi|pythonhosted|npmjs|crates)\.(org|io|com)|proxy\.golang")


def test_every_setting_of_the_kernel_has_its_row() -> None:
    rows = _rows(ROOT / "docs" / "configuration.md")
    known = {*variables_of(Selection).values(), *variables_of(KernelSettings).values()}
    assert known - rows.keys() == set()
    assert rows.keys() - known == {"AEGIS_AUDIT_<SINK>_REQUIRED"}


@pytest.mark.parametrize("section", [Selection, KernelSettings])
def test_the_table_gives_the_default_that_the_kernel_takes(section: type[SettingsSection]) -> None:
    rows = _rows(ROOT / "docs" / "configuration.md")
    defaults = section()
    for field, variable in variables_of(section).items():
        value = getattr(defaults, field)
        if value is not None:
            assert rows[variable] == f"`{_as_set(value)}`", variable


@pytest.mark.parametrize("home", PLUGINS, ids=lambda home: home.name)
def test_every_setting_of_a_plugin_has_a_row_in_its_readme(home: Path) -> None:
    section = _sections()[home.name]
    assert set(variables_of(section).values()) == set(_rows(home / "README.md"))


@pytest.mark.parametrize("home", PLUGINS, ids=lambda home: home.name)
def test_a_plugins_readme_has_the_five_headings(home: Path) -> None:
    text = (home / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS


@pytest.mark.parametrize("document", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_names_no_variable_that_nothing_reads(document: Path) -> None:
    named = set(re.findall(r"\bAEGIS_[A-Z][A-Z_]*[A-Z]\b", document.read_text(encoding="utf-8")))
    sections = [Selection, KernelSettings, *_sections().values()]
    known = {variable for section in sections for variable in variables_of(section).values()}
    # Variables of plugins that are not in this house: the example, and one that is only imagined.
    foreign = {name for name in named if name.startswith(("AEGIS_AUDIT_JSONL", "AEGIS_AUDIT_MINE"))}
    assert named - known - foreign == set()


def test_the_page_of_the_contract_is_what_the_code_says() -> None:
    message = "run `make docs`"
    assert (ROOT / "docs" / "ports.md").read_text(encoding="utf-8") == page(), message
    assert set(MODULES) == {path.stem for path in SPI.glob("*.py")} - {"__init__"}


def test_the_code_in_writing_a_plugin_is_the_code_of_the_example() -> None:
    text = (ROOT / "docs" / "writing-a-plugin.md").read_text(encoding="utf-8")
    example = ROOT / "docs" / "examples" / "aegis-audit-jsonl"
    code = "".join(
        path.read_text() for path in example.rglob("*") if path.suffix in {".py", ".toml"}
    )
    blocks = re.findall(r"```(?:python|toml)\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 4
    assert [block for block in blocks if block not in code] == []


@pytest.mark.parametrize("document", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_inside_the_repository_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [target for target in targets if not target.startswith(("http:", "https:", "#"))]
    missing = [t for t in local if not (document.parent / t.partition("#")[0]).exists()]
    assert missing == []


def test_every_page_under_docs_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    documents = [p.as_posix() for p in pages if p.parts[0] != "examples" and p.name != "README.md"]
    assert [name for name in documents if f"]({name})" not in index] == []


def test_every_decision_has_a_number_of_its_own() -> None:
    numbers = [page.name[:4] for page in sorted((ROOT / "docs/adr").glob("*.md"))]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_no_tracked_file_names_a_machine_or_a_registry() -> None:
    found = [
        f"{name}:{number} {line.strip()}"
        for name in _tracked()
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        if _names_a_place(name, line)
    ]
    assert found == []


@pytest.mark.parametrize("line", ["cd /work/x", "see /tmp/a", "'/root/b'", "https://pypi.org/x"])
def test_a_place_is_recognised(line: str) -> None:
    assert _names_a_place("README.md", line)


@pytest.mark.parametrize("line", ["a/tmp/b", "$HOME/work/", "tmp_path", "framework/"])
def test_what_only_looks_like_a_place_is_not(line: str) -> None:
    assert not _names_a_place("README.md", line)


def _names_a_place(name: str, line: str) -> bool:
    if "tests/" in name:
        return False
    return bool(MACHINE_PATH.search(line) or REGISTRY.search(line))


def _rows(document: Path) -> dict[str, str]:
    """Return {variable: default} of every table row that begins with a variable."""
    text = document.read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `([A-Z][A-Z0-9_<>]+)` \| (.*?) \|", text, re.MULTILINE))


def _as_set(value: object) -> str:
    """Spell a default as one would set it in the environment."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _sections() -> dict[str, type[SettingsSection]]:
    """Return {plugin's folder: its settings}, of every plugin that is installed."""
    points = [point for group in GROUPS for point in entry_points(group=group)]
    return {
        point.module.split(".")[0].removeprefix("aegis_"): point.load().settings for point in points
    }


def _tracked() -> list[str]:
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    return [name for name in names if name and (ROOT / name).is_file() and not _is_binary(name)]


def _is_binary(name: str) -> bool:
    return b"\0" in (ROOT / name).read_bytes()[:8192]
