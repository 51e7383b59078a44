"""`aegis-server`: serve (default), plugins, check, token mint, master, backup."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial

import uvloop

from aegis_kernel.commands import backup, master
from aegis_kernel.commands.admin_socket import AdminSocket
from aegis_kernel.domain.errors import BootError
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.loader import installed_plugins
from aegis_kernel.engine.settings import Settings
from aegis_kernel.listener import Listener
from aegis_kernel.rest.app import build_app
from aegis_kernel.spi.authenticator import TokenIssuer
from aegis_kernel.spi.provider import Status

# A thread that waits for the GIL gets it after this long; the default of 5 ms would be the
# journal's writer waiting a whole commit's time for a busy event loop.
SWITCH_SECONDS = 0.0005

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
    serve.set_defaults(verb=_serve)
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
        async with Kernel(_settings()) as kernel:
            report = await kernel.health()
            for component in report.components:
                detail = f": {component.detail}" if component.detail else ""
                print(f"{component.port} {component.kind} {component.status}{detail}")
            return 0 if report.status is Status.OK else 1

    return asyncio.run(look())


def _serve(options: argparse.Namespace) -> int:
    started = time.monotonic()
    settings = _settings()
    sys.setswitchinterval(SWITCH_SECONDS)
    return uvloop.run(_serve_until_told(settings, started))


async def _serve_until_told(settings: Settings, began: float) -> int:
    async with Kernel(settings) as kernel:
        http = settings.kernel
        announce = partial(_announce, kernel, began)
        listener = Listener(build_app(kernel), http.http_host, http.http_port, announce)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _drain, kernel, listener)
        async with AdminSocket(kernel, settings.data_dir):
            await listener.serve()
        return 0


def _drain(kernel: Kernel, listener: Listener) -> None:
    """Say "not ready", serve on for AEGIS_DRAIN_SECONDS, then stop; told again, stop at once."""
    seconds = kernel.settings.kernel.drain_seconds
    _log.info("Stopping now" if listener.is_draining else f"Draining for {seconds:g} s")
    kernel.drain()
    listener.drain(seconds)


def _announce(kernel: Kernel, began: float, port: int) -> None:
    host = kernel.settings.kernel.http_host
    _log.info("Started Aegis server on %s:%s", f"[{host}]" if ":" in host else host, port)
    for line in kernel.boot_lines():
        _log.info("%s", line)
    for variable in kernel.settings.unknown_variables:
        _log.warning("%s is set, but nothing that is loaded reads it", variable)
    _settle_memory()
    _log.info("Boot complete in %.2fs", time.monotonic() - began)


def _settle_memory() -> None:
    # What boot made lives as long as the process: the collector need never look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


if __name__ == "__main__":
    sys.exit(main())
