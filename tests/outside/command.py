"""`aegis-server` as a stranger runs it: the installed command, an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("aegis-server"))


def aegis_server(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end, which must come within 20 seconds. Only `environment` is set for it."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return subprocess.run(
        [COMMAND, *arguments],
        env=kept | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
    )
