"""`aegis-server backup`: make one, verify it, restore it."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec

from aegis_kernel.commands.actions import Action, Request
from aegis_kernel.commands.asking import ask
from aegis_kernel.commands.master import SettingsReader, Verbs
from aegis_kernel.domain.errors import AegisError, BootError
from aegis_kernel.engine.restoring import Restorer


def add_verbs(verbs: Verbs, read: SettingsReader) -> None:
    """Add `backup create`, `backup verify` and `backup restore`."""
    backup = verbs.add_parser("backup", help="backups of the journal")
    kinds = backup.add_subparsers(title="verbs", required=True)
    create = kinds.add_parser("create", help="write a new file, also while the server serves")
    verify = kinds.add_parser("verify", help="look at everything in it, and open every key")
    restore = kinds.add_parser("restore", help="put it in the journal's place, which must be empty")
    for verb in (create, verify, restore):
        verb.add_argument("file", type=Path, help="the backup")
    restore.add_argument(
        "--newer",
        type=Path,
        help="a later backup or the old journal's file: what it says of compromises, destructions "
        "and suspensions since then is done again",
    )
    create.set_defaults(verb=lambda options: _create(options, read))
    verify.set_defaults(verb=lambda options: _verify(options, read))
    restore.set_defaults(verb=lambda options: _restore(options, read))


def _create(options: argparse.Namespace, read: SettingsReader) -> int:
    request = Request(Action.BACKUP_CREATE, file=str(options.file.absolute()))
    return _show(ask(read(), request))


def _verify(options: argparse.Namespace, read: SettingsReader) -> int:
    return _show(_said(Restorer(read()).verify(options.file)))


def _restore(options: argparse.Namespace, read: SettingsReader) -> int:
    return _show(_said(Restorer(read()).restore(options.file, options.newer)))


def _said(work: Any) -> Any:
    try:
        return msgspec.to_builtins(asyncio.run(work))
    except AegisError as error:
        raise BootError(error.message) from error


def _show(answer: Any) -> int:
    print(json.dumps(answer, indent=2))
    return 0
