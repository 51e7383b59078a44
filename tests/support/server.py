"""A real server: its own process, a real socket, and signals that really arrive."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

BOOT_SECONDS = 30

#: For whoever asks more of a server that believes tokens than one principal may by default.
UNLIMITED: Mapping[str, str] = MappingProxyType(
    {
        "AEGIS_RATE_LIMIT_REQUESTS": "0",
        "AEGIS_RATE_LIMIT_HEAVY": "0",
        "AEGIS_RATE_LIMIT_MAKING": "0",
    }
)


class Server:
    """`aegis-server` on a port that the machine chose. stdout and stderr go to files.

    It leads a process group of its own, so that a kill takes whatever it has started along.
    """

    #: What a subclass tells the process's start besides, such as the user it runs as.
    options: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self,
        data_dir: Path,
        environment: dict[str, str] | None = None,
        command: Sequence[str] = (sys.executable, "-m", "aegis_kernel.server"),
    ) -> None:
        self.data_dir = data_dir
        self.command = command
        self._environment = environment or {}
        self._runs = 0
        self._log_dir = data_dir.parent
        self.start()

    def start(self) -> None:
        """Start it, and wait until it says that the boot is complete."""
        self._runs += 1
        self.stdout = self._log_dir / f"{self.data_dir.name}.{self._runs}.out"
        self.stderr = self._log_dir / f"{self.data_dir.name}.{self._runs}.err"
        self._told = threading.Event()
        self._is_up = False
        with self.stdout.open("wb") as out:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.PIPE,
                start_new_session=True,
                **self.options,
            )
        # stderr is drained for as long as the process lives, so that it never blocks on a full pipe.
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        self._told.wait(BOOT_SECONDS)
        if not self._is_up:
            self._kill_group()
            self._finish()
            raise RuntimeError(f"the server did not boot:\n{self.log}")
        self.url = f"http://127.0.0.1:{self._port()}"

    @property
    def log(self) -> str:
        return self.stderr.read_text()

    @property
    def audit_files(self) -> list[Path]:
        """What each run so far has written to standard output, the oldest first."""
        return [self._log_dir / f"{self.data_dir.name}.{n}.out" for n in range(1, self._runs + 1)]

    @property
    def audit_lines(self) -> list[str]:
        return self.stdout.read_text().splitlines()

    def kill(self) -> None:
        """SIGKILL to it and all it has started: no goodbye."""
        self._kill_group()
        self._finish()

    def terminate(self, seconds: float = 20) -> int:
        """SIGTERM, and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds: float = 20) -> int:
        """Wait until it has ended by itself, and return the exit code."""
        self.process.wait(seconds)
        self._finish()
        return self.process.returncode

    def stop(self) -> None:
        """End it in whatever state it is."""
        if self.process.poll() is None:
            self.kill()
        else:
            self._finish()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _finish(self) -> None:
        self.process.wait(10)
        self._reader.join(10)
        assert self.process.stderr is not None
        self.process.stderr.close()

    @property
    def environment(self) -> dict[str, str]:
        """What its process sees; another that sees it too speaks of the same server."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")
        }
        ours = {
            "AEGIS_DATA_DIR": str(self.data_dir),
            "AEGIS_HTTP_PORT": "0",
            "AEGIS_DRAIN_SECONDS": "0",
        }
        return inherited | ours | self._environment

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        with self.stderr.open("wb") as log:
            for line in self.process.stderr:
                log.write(line)
                log.flush()
                if b"Boot complete" in line:
                    self._is_up = True
                    self._told.set()
        self._told.set()

    def _port(self) -> str:
        started = re.search(r"Started Aegis server on \S+:(\d+)", self.log)
        assert started is not None, self.log
        return started[1]


@contextmanager
def running(
    data_dir: Path, *, command: Sequence[str] | None = None, **environment: str
) -> Iterator[Server]:
    """A server that is ended when the test is done with it; `command` starts another than ours."""
    server = Server(data_dir, environment, command) if command else Server(data_dir, environment)
    try:
        yield server
    finally:
        server.stop()
