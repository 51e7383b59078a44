"""What `docker compose up` starts: a real Postgres and the server, with the variables of the file."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.architecture.source import ROOT
from tests.deploy.compose import Compose
from tests.deploy.container import Container, run
from tests.deploy.image import Image
from tests.support.postgres import PostgresServer

FILE = ROOT / "deploy" / "docker" / "docker-compose.yml"


class Stack:
    """Both services. Their volumes stay until they are taken down with them."""

    def __init__(self, image: Image, folder: Path) -> None:
        self._image = image
        self._folder = folder
        self._database = ""
        self.postgres = PostgresServer.fresh()

    def up(self, shell: Mapping[str, str]) -> Container:
        given = self._given(shell)
        self.server = Container(self._image, self._folder, given)
        return self.server

    def run(self, shell: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
        """Run a verb, or a boot that fails, in a container of the server."""
        return run(self._image, self._given(shell), *words)

    def down(self, volumes: tuple[str, ...] = ()) -> None:
        """`docker compose down`, and with both volumes `down -v`."""
        assert self.server.terminate() == 0
        if "aegis-data" in volumes:
            for path in (self._image.root / "var" / "lib" / "aegis").iterdir():
                path.unlink()
        if "postgres-data" in volumes:
            self.postgres.drop_database(self._database)
            self._database = ""

    def remove(self) -> None:
        self.server.stop()
        self.postgres.remove()
        shutil.rmtree(self._folder)

    def _given(self, shell: Mapping[str, str]) -> dict[str, str]:
        compose = Compose(FILE, shell)
        if not self._database:
            self._prepare(compose.environment("aegis-postgres"))
        # The name `postgres` is the network's; here libpq is told the address beside it.
        place = {"PGHOSTADDR": "127.0.0.1", "PGPORT": str(self.postgres.port)}
        return compose.environment("aegis-server") | place

    def _prepare(self, given: Mapping[str, str]) -> None:
        """Do what the image of Postgres does with a new volume."""
        user, self._database = given["POSTGRES_USER"], given["POSTGRES_DB"]
        password = given["POSTGRES_PASSWORD"].replace("'", "''")
        rules = self.postgres.data / "pg_hba.conf"
        rule = f"host {self._database} {user} 127.0.0.1/32 scram-sha-256\n"
        rules.write_text(rule + rules.read_text())
        self.postgres.execute(f"CREATE DATABASE {self._database}")
        self.postgres.execute(f"ALTER USER {user} PASSWORD '{password}'")
        self.postgres.execute("SELECT pg_reload_conf()")
