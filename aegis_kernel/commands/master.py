"""`aegis-server master`: how the master keys stand, and their rotation."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import TypeAlias

from aegis_kernel.commands.actions import Action, Request
from aegis_kernel.commands.asking import ask
from aegis_kernel.engine.settings import Settings

SettingsReader = Callable[[], Settings]
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_verbs(verbs: Verbs, read: SettingsReader) -> None:
    """Add `master status` and `master rotate`."""
    master = verbs.add_parser("master", help="the master keys of the roots of trust")
    kinds = master.add_subparsers(title="verbs", required=True)
    for name, action, says in (
        (
            "status",
            Action.MASTER_STATUS,
            "say which master keys there are, and how many rows each seals",
        ),
        (
            "rotate",
            Action.MASTER_ROTATE,
            "make a new one, re-wrap every row, retire the old one; or go on",
        ),
    ):
        verb = kinds.add_parser(name, help=says)
        verb.set_defaults(verb=_asking(action, read))


def _asking(action: Action, read: SettingsReader) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        print(json.dumps(ask(read(), Request(action)), indent=2))
        return 0

    return run
