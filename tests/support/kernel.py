"""A kernel in this process, from the settings that a test names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.principal import Principal, PrincipalKind
from aegis_kernel.domain.spec import KeySpec
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations.declaration import Caller
from aegis_kernel.engine.settings import Settings

ALICE = Caller(Principal(subject="alice", kind=PrincipalKind.HUMAN, groups=frozenset({"admins"})))
BOB = Caller(Principal(subject="bob", kind=PrincipalKind.HUMAN))


async def active_key(kernel: Kernel, **spec: Any) -> KeyId:
    """Create and activate a key of alice's, and return its id."""
    made = KeySpec(**({"name": "demo"} | spec))
    created = await kernel.pipeline.run(op.CREATE, ALICE, m.CreateKey(spec=made))
    await kernel.pipeline.run(op.ACTIVATE, ALICE, m.Transition(), created.key.id)
    return created.key.id


async def last_record(kernel: Kernel) -> dict[str, Any]:
    """Return the newest audit record."""
    after, newest = 0, None
    while page := await kernel.providers.journal.ledger(after, 1000):
        newest, after = page[-1], page[-1].position
    assert newest is not None
    record: dict[str, Any] = json.loads(newest.body)
    return record


def settings(data_dir: Path, **environment: str) -> Settings:
    """Return settings with a memory journal and nothing to see from outside, unless named."""
    quiet = {
        "AEGIS_DATA_DIR": str(data_dir),
        "AEGIS_JOURNAL_KIND": "memory",
        "AEGIS_AUDIT_SINKS": "none",
        "AEGIS_TELEMETRY": "none",
    }
    return Settings.from_env(quiet | environment)
