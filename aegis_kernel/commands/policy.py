"""`aegis-server policy`: check policies, replay the ledger by them, make them the active ones."""

from __future__ import annotations

import argparse
import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from aegis_kernel.commands.actions import Action, Request
from aegis_kernel.commands.asking import ask
from aegis_kernel.commands.master import SettingsReader, Verbs
from aegis_kernel.domain.errors import BootError
from aegis_kernel.engine.clock import SystemClock
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.spi.policy import PolicyReader, PolicySet

_MOST_DAYS = 3_650
_NOTES = (
    "The ledger holds neither the groups of a principal nor the encryption context of a request: "
    "a decision that depends on them is counted as unknown; --groups says what groups there were.",
    "Keys are taken as they were then: owner, name, state and tags.",
    "What a grant allowed stays allowed, unless the policies would forbid it.",
)


def add_verbs(verbs: Verbs, read: SettingsReader) -> None:
    """Add `policy check`, `policy replay` and `policy activate`."""
    policy = verbs.add_parser("policy", help="the policies of the authorizer")
    kinds = policy.add_subparsers(title="verbs", required=True)
    check = kinds.add_parser("check", help="read them as a boot would, and list them")
    replay = kinds.add_parser(
        "replay",
        help="what they would have decided for the ledger of the last days, where that differs",
        epilog="example: aegis-server policy replay new.cedar --days 7 --groups alice=admins,ops",
    )
    for verb in (check, replay):
        verb.add_argument(
            "path", type=Path, nargs="?", help="a file or a folder (default: the one configured)"
        )
    replay.add_argument("--days", type=float, default=7.0, help="how far back (default 7)")
    replay.add_argument(
        "--groups",
        type=_membership,
        action="append",
        default=[],
        metavar="SUBJECT=GROUP,…",
        help="the groups that a principal had, which the ledger does not hold; several times",
    )
    replay.set_defaults(verb=lambda options: _replay(options, read))
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


def _replay(options: argparse.Namespace, read: SettingsReader) -> int:
    if not 0 < options.days <= _MOST_DAYS:
        raise BootError(f"--days must be above 0, and at most {_MOST_DAYS}")
    seconds = SystemClock().time() - options.days * 86_400
    request = Request(
        Action.POLICY_REPLAY,
        file=str(options.path.absolute()) if options.path is not None else "",
        since=datetime.fromtimestamp(seconds, UTC),
        groups=dict(options.groups),
    )
    print(json.dumps({**ask(read(), request), "notes": _NOTES}, indent=2))
    return 0


def _membership(text: str) -> tuple[str, frozenset[str]]:
    subject, equals, groups = text.rpartition("=")
    if not (equals and subject):
        raise argparse.ArgumentTypeError("write subject=group,group; nothing after = means none")
    return subject, frozenset(group for group in groups.split(",") if group)


def _activate(read: SettingsReader) -> int:
    print(json.dumps(ask(read(), Request(Action.POLICY_ACTIVATE)), indent=2))
    return 0
