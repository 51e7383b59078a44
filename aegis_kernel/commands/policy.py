"""`aegis-server policy`: check policies, and make those of this server the active ones."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

import msgspec

from aegis_kernel.commands.actions import Action, Request
from aegis_kernel.commands.asking import ask
from aegis_kernel.commands.master import SettingsReader, Verbs
from aegis_kernel.domain.errors import BootError
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.spi.policy import PolicyReader, PolicySet


def add_verbs(verbs: Verbs, read: SettingsReader) -> None:
    """Add `policy check` and `policy activate`."""
    policy = verbs.add_parser("policy", help="the policies of the authorizer")
    kinds = policy.add_subparsers(title="verbs", required=True)
    check = kinds.add_parser("check", help="read them as a boot would, and list them")
    check.add_argument(
        "path", type=Path, nargs="?", help="a file or a folder (default: the one configured)"
    )
    check.set_defaults(verb=lambda options: _check(options, read))
    activate = kinds.add_parser(
        "activate", help="make this server's policies the active ones, also where superseded"
    )
    activate.set_defaults(verb=lambda options: _activate(read))


def _check(options: argparse.Namespace, read: SettingsReader) -> int:
    found = asyncio.run(_read(read, options.path))
    answer = {
        "digest": found.digest,
        "policies": msgspec.to_builtins(tuple(found.notes)),
        "warnings": list(found.warnings),
    }
    print(json.dumps(answer, indent=2))
    return 0


async def _read(read: SettingsReader, path: Path | None) -> PolicySet:
    authorizer = Kernel(read()).providers.authorizer
    if not isinstance(authorizer, PolicyReader):
        raise BootError("the authorizer in AEGIS_AUTHZ_KIND has no policies; cedar has")
    return await authorizer.read(path)


def _activate(read: SettingsReader) -> int:
    print(json.dumps(ask(read(), Request(Action.POLICY_ACTIVATE)), indent=2))
    return 0
