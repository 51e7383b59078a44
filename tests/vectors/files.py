"""Reading the published files; their own parsers are no part of the package."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import cryptography_vectors

HOME = Path(cryptography_vectors.__file__).parent

_PAIR = re.compile(r"([A-Za-z][\w ]*?)\s*=\s*(.*)").fullmatch


class Block(dict[str, str]):
    """One vector: its pairs, those that stood before it for all, and the sections it is in."""

    section: str = ""

    def data(self, name: str) -> bytes:
        """Return the bytes in hexadecimal."""
        text = self[name]
        return bytes.fromhex(text if len(text) % 2 == 0 else f"0{text}")

    def number(self, name: str) -> int:
        return int(self[name], 16)


def blocks(path: str, marker: str) -> Iterator[Block]:
    """Yield the blocks that have the pair `marker`; pairs of the others hold for what follows."""
    sticky: dict[str, str] = {}
    sections: list[str] = []
    for chunk, opened in _chunks(path):
        sections = opened or sections
        sticky |= dict(section.split(" = ", 1) for section in opened if " = " in section)
        if marker not in chunk:
            sticky |= chunk
            continue
        # Some files put the exponent of a whole group into its first vector.
        sticky |= {name: chunk[name] for name in ("e",) if name in chunk}
        block = Block(sticky | chunk)
        block.section = " ".join(sections)
        yield block


def labelled(path: str) -> Iterator[tuple[str, str]]:
    """Yield (label, hexadecimal) of files whose labels are comments and stand above the data."""
    label, digits = "", ""
    for line in lines(path):
        if line.startswith("#"):
            if digits:
                yield label, digits
            label, digits = line.lstrip("# ").rstrip(": "), ""
        elif re.fullmatch(r"[0-9a-fA-F ]*", line):
            digits += line.replace(" ", "")
    if digits:
        yield label, digits


def lines(path: str) -> Iterator[str]:
    """Yield the file's lines, stripped."""
    with (HOME / path).open(encoding="utf-8") as file:
        yield from (line.strip() for line in file)


def _chunks(path: str) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Yield (pairs, sections opened before them), split at blank lines and at sections."""
    pairs: dict[str, str] = {}
    opened: list[str] = []
    before = ""
    for line in [*lines(path), ""]:
        pair = _PAIR(line)
        if pairs and (not line or line.startswith("[")):
            yield pairs, opened
            pairs, opened = {}, []
        if line.startswith("["):
            # Sections in lines next to each other say one thing together.
            opened = [*opened, line.strip("[]")] if before.startswith("[") else [line.strip("[]")]
        elif line == "FAIL":
            pairs["Result"] = "F"
        elif pair and not line.startswith("#"):
            pairs[pair[1]] = pair[2]
        before = line
