"""A server as a container runs it: the image's program, user and variables, and no others."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.deploy.image import Image
from tests.support.server import Server

# What an engine's network would do is done by the machine's: a free port instead of a published one.
_NETWORK = {"AEGIS_HTTP_PORT": "0"}


class Container(Server):
    """`given` is what `docker run -e` or the compose file pass. Logs go below `folder`."""

    def __init__(self, image: Image, folder: Path, given: Mapping[str, str]) -> None:
        self._image = image
        self._given = dict(given)
        self.options = {"cwd": "/", **image.identity}
        folder.mkdir(exist_ok=True)
        super().__init__(folder / "data", command=program(image))

    @property
    def environment(self) -> dict[str, str]:
        return environment(self._image, self._given)

    def look(self) -> int:
        """Carry out the image's health check inside, and return its exit code."""
        port = self.url.rpartition(":")[2]
        check = [self._image.place(w) for w in self._image.stage.one("HEALTHCHECK").command]
        inside = self.environment | {"AEGIS_HTTP_PORT": port}
        return subprocess.run(check, env=inside, **self.options, capture_output=True).returncode


def run(image: Image, given: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run one verb, or a boot that fails, as `docker run` does."""
    return subprocess.run(
        [*program(image), *words],
        env=environment(image, given),
        capture_output=True,
        text=True,
        timeout=30,
        cwd="/",
        **image.identity,
    )


def program(image: Image) -> list[str]:
    return [image.place(word) for word in image.stage.one("ENTRYPOINT").command]


def environment(image: Image, given: Mapping[str, str]) -> dict[str, str]:
    return {"HOME": "/"} | image.environment | _NETWORK | dict(given)
