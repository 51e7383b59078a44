"""requirements.lock pins everything that the workspace asks for, by hash and without addresses."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.source import ROOT

LOCK = ROOT / "requirements.lock"


def test_every_requirement_is_pinned_in_a_version_that_it_accepts() -> None:
    pins = _pins(LOCK.read_text())
    wanted = [each for each in _requirements(ROOT) if not each.name.startswith("aegis-")]
    assert len(wanted) > 20
    assert [str(each) for each in wanted if not _accepts(each, pins)] == []


def test_every_pin_has_a_hash_and_no_line_an_address() -> None:
    text = LOCK.read_text()
    assert len(re.findall(r"== ?\S+ (?:; .+)?\\\n    --hash=sha256:", text)) == len(_pins(text))
    assert "/" not in text


def test_an_outdated_pin_is_seen() -> None:
    pins = _pins("litestar==2.24.0 \\\n    --hash=sha256:0\n")
    assert not _accepts(Requirement("litestar>=2.25,<3"), pins)
    assert not _accepts(Requirement("absent"), pins)


def _accepts(requirement: Requirement, pins: dict[str, str]) -> bool:
    pin = pins.get(canonicalize_name(requirement.name))
    return pin is not None and pin in requirement.specifier


def _pins(text: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def _requirements(root: Path) -> Iterator[Requirement]:
    for path in (root / "pyproject.toml", *root.glob("plugins/*/pyproject.toml")):
        document = tomllib.loads(path.read_text())
        project = document["project"]
        lists = [project.get("dependencies", []), document["build-system"]["requires"]]
        lists += project.get("optional-dependencies", {}).values()
        lists += document.get("dependency-groups", {}).values()
        yield from (Requirement(line) for lines in lists for line in lines)
