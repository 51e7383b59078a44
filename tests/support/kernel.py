"""A kernel in this process, from the settings that a test names."""

from __future__ import annotations

from pathlib import Path

from aegis_kernel.domain.principal import Principal, PrincipalKind
from aegis_kernel.engine.operations.declaration import Caller
from aegis_kernel.engine.settings import Settings

ALICE = Caller(Principal(subject="alice", kind=PrincipalKind.HUMAN, groups=frozenset({"admins"})))
BOB = Caller(Principal(subject="bob", kind=PrincipalKind.HUMAN))


def settings(data_dir: Path, **environment: str) -> Settings:
    """Return settings with a memory journal and nothing to see from outside, unless named."""
    quiet = {
        "AEGIS_DATA_DIR": str(data_dir),
        "AEGIS_JOURNAL_KIND": "memory",
        "AEGIS_AUDIT_SINKS": "none",
        "AEGIS_TELEMETRY": "none",
    }
    return Settings.from_env(quiet | environment)
