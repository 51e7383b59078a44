"""Policies as they lie on disk: one file, or the *.cedar files of a folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from errno import ENOENT
from pathlib import Path
from typing import NamedTuple

from aegis_kernel import BootError

EXAMPLE = Path(__file__).parent / "examples" / "basic.cedar"
MOST_BYTES = 1 << 20
MOST_FILES = 256

# What separates; the end of a policy; all else, with a string as one piece.
_TOKEN = re.compile(
    r'(?P<blank>\s+|//[^\n]*)|(?P<end>;)|"(?:[^"\\]|\\.)*(?:"|\Z)|[^;\s"/]+|.', re.DOTALL
)

Signature = tuple[tuple[str, int, int, int], ...]


class Chunk(NamedTuple):
    """One policy's text, and where its first word stands."""

    file: str
    line: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


class Source(NamedTuple):
    """The text of all files in order, the policies in it, and the digest of exactly these bytes."""

    text: str
    chunks: tuple[Chunk, ...]
    digest: str


def signature(path: Path) -> Signature:
    """Return what changes when the files do. Raises OSError."""
    found = ((file, file.stat()) for file in _files(path))
    return tuple((file.name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for file, stat in found)


def read_source(path: Path) -> Source:
    """Read the policies. Raises BootError with the remedy."""
    try:
        contents = [(file.name, _read(file)) for file in _files(path)]
    except OSError as error:
        raise BootError(
            f"the policies at {path} cannot be read ({error.strerror or error}): name a file, or a "
            f"folder of *.cedar files; an example is {EXAMPLE}"
        ) from error
    if sum(len(content) for _, content in contents) > MOST_BYTES:
        raise BootError(f"the policies at {path} are larger than 1 MiB: keep fewer of them")
    chunks: list[Chunk] = []
    for name, content in contents:
        try:
            chunks += _split(name, content.decode())
        except UnicodeDecodeError as error:
            raise BootError(f"{name} is not UTF-8 text (byte {error.start}): save it so") from error
    if not chunks:
        raise BootError(
            f"there is no policy at {path}, so nobody could do anything: write one; an example is "
            f"{EXAMPLE}"
        )
    return Source("\n".join(chunk.text for chunk in chunks), tuple(chunks), _digest(contents))


def _read(file: Path) -> bytes:
    if not file.is_file():
        raise FileNotFoundError(ENOENT, "no such file")
    with file.open("rb") as opened:
        return opened.read(MOST_BYTES + 1)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.cedar"))
    if len(files) > MOST_FILES:
        raise BootError(f"{path} holds more than {MOST_FILES} *.cedar files: join some")
    return files


def _digest(contents: list[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for _, content in contents:
        # With its length, so that no other division into files has the same digest.
        digest.update(len(content).to_bytes(8, "big") + content)
    return f"cedar:{digest.hexdigest()}"


def _split(file: str, text: str) -> Iterator[Chunk]:
    """Yield each policy: it ends with a semicolon that is neither in a string nor in a comment."""
    start: int | None = None
    for token in _TOKEN.finditer(text):
        if token["blank"]:
            continue
        if start is None:
            start = token.start()
        if token["end"]:
            yield _chunk(file, text, start, token.end())
            start = None
    if start is not None:
        yield _chunk(file, text, start, len(text))


def _chunk(file: str, text: str, start: int, end: int) -> Chunk:
    return Chunk(file, text.count("\n", 0, start) + 1, text[start:end])
