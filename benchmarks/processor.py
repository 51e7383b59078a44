"""Processor time from /proc: others on the machine shift it less than the clock on the wall."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def seconds_of(pid: int) -> float:
    """Return the processor seconds of the process and of those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICK


def seconds_of_family(pid: int) -> float:
    """Return the processor seconds of the process and of all its children, ended or not."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return seconds_of(pid) + sum(seconds_of(int(child)) for child in children)


def machine() -> str:
    """Return the class of the processor: its architecture, and whether it has AES of its own."""
    architecture = platform.machine().replace("x86_64", "x86-64")
    flags = re.search(
        r"^(?:flags|Features)\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE
    )
    has_aes = flags is not None and "aes" in flags[1].split()
    return architecture + (" with AES instructions" if has_aes else "")


def busy_seconds() -> float:
    """Return the processor seconds that the whole machine has spent on anything."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    user, nice, system, _, _, irq, softirq, _ = fields
    return (user + nice + system + irq + softirq) / _TICK
