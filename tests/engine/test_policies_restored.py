"""A restore brings no superseded policies back."""

from __future__ import annotations

import shutil
from pathlib import Path

from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.restoring import Restorer
from aegis_kernel.engine.settings import Settings
from tests.support.kernel import settings

OPEN = '@id("all") permit (principal, action, resource);\n'
CLOSED = OPEN + '@id("not-bob") forbid (principal == Human::"bob", action, resource);\n'


def cedar(data: Path, file: Path) -> Settings:
    return settings(
        data,
        AEGIS_JOURNAL_KIND="sqlite",
        AEGIS_AUTHZ_KIND="cedar",
        AEGIS_AUTHZ_CEDAR_POLICY_FILE=str(file),
    )


async def test_policies_superseded_after_the_backup_stay_so(tmp_path: Path) -> None:
    file, home, new = tmp_path / "policies.cedar", tmp_path / "home", tmp_path / "new"
    file.write_text(OPEN)
    async with Kernel(cedar(home, file)) as kernel:
        await kernel.backups.create(tmp_path / "backup", "a test")
    file.write_text(CLOSED)
    async with Kernel(cedar(home, file)) as kernel:
        await kernel.backups.create(tmp_path / "later", "a test")
    new.mkdir(mode=0o700)
    shutil.copy(home / "master.key", new / "master.key")
    restored = await Restorer(cedar(new, file)).restore(tmp_path / "backup", tmp_path / "later")
    assert [each.operation for each in restored.reapplied] == ["ActivatePolicy"]
    file.write_text(OPEN)
    async with Kernel(cedar(new, file)) as kernel:
        assert not kernel.is_ready
    file.write_text(CLOSED)
    async with Kernel(cedar(new, file)) as kernel:
        assert kernel.is_ready
