"""`aegis-server`: serve (default), plugins, check, token mint, master, backup, policy."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence

import msgspec

from aegis_kernel.commands import backup, master, policy
from aegis_kernel.domain.errors import BootError
from aegis_kernel.engine.clock import SystemClock
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.loader import installed_plugins
from aegis_kernel.engine.settings import Settings
from aegis_kernel.serving import Boot, require_shared_journal, serve_alone, serve_as_worker
from aegis_kernel.spi.authenticator import TokenIssuer
from aegis_kernel.spi.provider import Status
from aegis_kernel.workers.post import Post
from aegis_kernel.workers.supervisor import Supervisor

_log = logging.getLogger("aegis")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; return the process's exit code: 0, or 1 after a line that says what to mend."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    # Its warnings are about what strangers send, as often as they like.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    # What it could not load, the loader says with the remedy.
    logging.getLogger("stevedore").setLevel(logging.CRITICAL)
    try:
        return int(options.verb(options))
    except BootError as error:
        for line in str(error).splitlines():
            _log.error("%s", line)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aegis-server", description="The Aegis-KMS server.")
    parser.set_defaults(verb=_serve)
    verbs = parser.add_subparsers(title="verbs")
    serve = verbs.add_parser("serve", help="serve REST until SIGTERM (the default)")
    serve.add_argument(
        "--workers",
        type=int,
        help="processes behind one port, 1 to 64 (default AEGIS_WORKERS, or 1); more than one needs "
        "a journal that several share, such as postgres",
    )
    serve.set_defaults(verb=_serve)
    # Started by a supervisor, never by hand.
    worker = verbs.add_parser("worker")
    worker.add_argument("post")
    worker.set_defaults(verb=_work)
    plugins = verbs.add_parser("plugins", help="list the installed plugins as JSON")
    plugins.set_defaults(verb=_plugins)
    check = verbs.add_parser(
        "check", help="open everything that the settings name, and say how it is"
    )
    check.set_defaults(verb=_check)
    token = verbs.add_parser("token", help="tokens of the configured authenticator")
    mint = token.add_subparsers(title="verbs", required=True).add_parser(
        "mint",
        help="print a new token",
        epilog="example: aegis-server token mint --subject alice --group admins --ttl 1h",
    )
    mint.add_argument("--subject", required=True)
    mint.add_argument("--group", action="append", default=[], help="may be given several times")
    mint.add_argument("--kind", choices=("human", "service"), default="human")
    mint.add_argument("--ttl", type=_duration, default=3600.0, help="30s, 15m, 1h, 7d (default 1h)")
    mint.set_defaults(verb=_mint)
    master.add_verbs(verbs, _settings)
    backup.add_verbs(verbs, _settings)
    policy.add_verbs(verbs, _settings)
    return parser


def _settings() -> Settings:
    return Settings.from_env(os.environ)


def _duration(text: str) -> float:
    match = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError("a duration is a number and s, m, h or d, such as 15m")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


def _plugins(options: argparse.Namespace) -> int:
    rows = [
        {
            "group": plugin.group,
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
        }
        for plugin in installed_plugins()
    ]
    print(json.dumps(rows, indent=2))
    return 0


def _mint(options: argparse.Namespace) -> int:
    kernel = Kernel(_settings())
    for authenticator in kernel.providers.authenticators.values():
        if isinstance(authenticator, TokenIssuer):
            groups = frozenset(options.group)
            try:
                token = authenticator.issue_token(
                    options.subject, groups, options.kind, options.ttl
                )
            except ValueError as error:
                raise BootError(str(error)) from error
            print(token)
            return 0
    raise BootError("no authenticator in AEGIS_AUTH_KIND mints tokens; set AEGIS_AUTH_KIND=hmac")


def _check(options: argparse.Namespace) -> int:
    async def look() -> int:
        async with Kernel(_settings(), is_trial=True) as kernel:
            report = await kernel.health()
            for component in report.components:
                detail = f": {component.detail}" if component.detail else ""
                print(f"{component.port} {component.kind} {component.status}{detail}")
            return 0 if report.status is Status.OK else 1

    return asyncio.run(look())


def _serve(options: argparse.Namespace) -> int:
    clock = SystemClock()
    began = clock.monotonic()
    wanted = getattr(options, "workers", None)
    asked = {} if wanted is None else {"AEGIS_WORKERS": str(wanted)}
    environment = {**os.environ, **asked}
    settings = Settings.from_env(environment)
    boot = Boot(settings, clock, began)
    if settings.kernel.workers == 1:
        return serve_alone(settings, boot)
    require_shared_journal(settings, clock)
    return asyncio.run(_supervise(settings, environment, boot))


async def _supervise(settings: Settings, environment: Mapping[str, str], boot: Boot) -> int:
    return await Supervisor(settings, environment, boot.announce).run()


def _work(options: argparse.Namespace) -> int:
    return serve_as_worker(_settings(), msgspec.json.decode(options.post, type=Post))


if __name__ == "__main__":
    sys.exit(main())
