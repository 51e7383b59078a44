"""Losing power, simulated: what a real journal did to its files, and what a disk may have kept of it.

strace records every write, sync and truncation of the process that runs the journal, and what that
acknowledged, in one order. A crash state is a prefix of it: what was synced is there, of the rest
each file keeps a random part, torn at sectors; a removal is undone unless the directory was synced.
Left out: names of new files that are lost (the journal syncs its directory), and disks that lie.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.launcher import ROOT

SECTOR = 512
ACKNOWLEDGED = "acknowledged"
DATABASE = "aegis.db"
DIRECTORY = "recorded"
_FILES = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-journal", ACKNOWLEDGED)
_CALLS = "pwrite64,write,fdatasync,fsync,ftruncate,unlink"

_LINE = re.compile(r"(\d+) +(.*)", re.DOTALL)
_UNFINISHED = " <unfinished ...>"
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>")
_WRITE = re.compile(r'p?write(?:64)?\(\d+<([^>]*)>, "([^"]*)", \d+(?:, (\d+))?')
_SYNC = re.compile(r"f(?:data)?sync\(\d+<([^>]*)>")
_TRUNCATE = re.compile(r"ftruncate\(\d+<([^>]*)>, (\d+)")
_UNLINK = re.compile(r'unlink\("([^"]*)"')


@dataclass(frozen=True, slots=True)
class Step:
    """One call on one file: a write (data), a truncation (size), a removal (gone), or a sync."""

    file: str
    at: int = 0
    data: bytes | None = None
    size: int | None = None
    gone: bool = False
    #: Of a sync: how many steps had been taken when it began, all of which it covers.
    covers: int | None = None


def record(parent: Path, module: str, *arguments: str) -> list[Step]:
    """Run `module:function(place, …)` under strace; return what it did to the files in that place."""
    place = parent / DIRECTORY
    place.mkdir(mode=0o700)
    name, function = module.split(":")
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from {name} import {function}"
    trace = place.parent / f"{place.name}.strace"
    paths = [flag for file in ("", *_FILES) for flag in ("-P", str(place / file))]
    strace = ["strace", "-f", "-y", "-xx", "-s", "1000000", "-e", f"trace={_CALLS}", *paths]
    code = f"{start}; {function}(*sys.argv[1:])"
    command = [sys.executable, "-c", code, str(place), *arguments]
    subprocess.run([*strace, "-o", str(trace), *command], check=True, timeout=300)
    return list(_steps(trace.read_text().splitlines()))


def crash(steps: Sequence[Step], after: int, dice: random.Random) -> tuple[dict[str, bytes], bytes]:
    """Return what the disk may hold when power goes after so many steps, and what was acknowledged."""
    synced: dict[str, int] = {}
    acknowledged = b""
    for step in steps[:after]:
        if step.covers is not None:
            synced[step.file] = max(step.covers, synced.get(step.file, 0))
        elif step.file == ACKNOWLEDGED:
            acknowledged += step.data or b""
    files: dict[str, bytearray] = {}
    keeps = dice.choice((0.0, 0.5, 0.9, 1.0))
    for number, step in enumerate(steps[:after]):
        if step.covers is not None or step.file == ACKNOWLEDGED:
            continue
        # A removal is a matter of the directory, and durable when that is synced.
        if number < synced.get(DIRECTORY if step.gone else step.file, 0):
            _apply(step, files)
        elif dice.random() < keeps:
            _apply(step, files, dice)
    return {name: bytes(content) for name, content in files.items()}, acknowledged


def _apply(step: Step, files: dict[str, bytearray], dice: random.Random | None = None) -> None:
    if step.gone:
        files.pop(step.file, None)
        return
    content = files.setdefault(step.file, bytearray())
    if step.size is not None:
        content[step.size :] = bytes(max(0, step.size - len(content)))
        return
    data = step.data or b""
    is_torn = dice is not None and dice.random() < 0.3
    for start in range(0, len(data), SECTOR):
        if is_torn and dice is not None and dice.random() < 0.5:
            continue
        _put(content, step.at + start, data[start : start + SECTOR])


def _put(content: bytearray, at: int, data: bytes) -> None:
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data


def _steps(lines: Sequence[str]) -> Iterator[Step]:
    begun: dict[str, tuple[str, int]] = {}
    number = 0
    for line in lines:
        matched = _LINE.match(line)
        if matched is None:
            continue
        thread, call = matched.groups()
        covers = number
        if call.endswith(_UNFINISHED):
            begun[thread] = (call.removesuffix(_UNFINISHED), number)
            # A write may be on disk from now on; a sync counts when it is done.
            if _SYNC.match(call):
                continue
        elif _RESUMED.match(call):
            call, covers = begun.pop(thread)
            if not _SYNC.match(call):
                continue
        step = _step(call, covers)
        if step is not None:
            number += 1
            yield step


def _step(call: str, covers: int) -> Step | None:
    if found := _WRITE.match(call):
        return Step(_name(found[1]), at=int(found[3] or 0), data=_bytes(found[2]))
    if found := _SYNC.match(call):
        return Step(_name(found[1]), covers=covers)
    if found := _TRUNCATE.match(call):
        return Step(_name(found[1]), size=int(found[2]))
    if found := _UNLINK.match(call):
        return Step(_name(found[1]), gone=True)
    return None


def _name(path: str) -> str:
    return Path(_bytes(path).decode() if path.startswith("\\x") else path).name


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
