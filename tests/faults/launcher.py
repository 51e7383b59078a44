"""Starts the real server with something changed in it: a planted bug, or a place to die at.

    python -m tests.faults.launcher module:function[=argument] … -- [verb of aegis-server]

Each function is called before the server runs; what it changes, it changes in that process alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from aegis_kernel.server import main

ROOT = Path(__file__).parents[2]


def command(*changes: str) -> list[str]:
    """Return the command of a server with these changes; without any, of the plain server."""
    if not changes:
        return [sys.executable, "-m", "aegis_kernel.server"]
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from {__name__} import launch"
    return [sys.executable, "-c", f"{start}; sys.exit(launch(sys.argv[1:]))", *changes, "--"]


def launch(arguments: Sequence[str]) -> int:
    """Make the changes, then serve."""
    at = arguments.index("--")
    for change in arguments[:at]:
        name, _, argument = change.partition("=")
        module, _, function = name.partition(":")
        apply = getattr(import_module(module), function)
        apply(*([argument] if argument else []))
    return main(arguments[at + 1 :])
