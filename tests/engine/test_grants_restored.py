"""A restore brings back no grant that was retired meanwhile, and no use that was made of one."""

from __future__ import annotations

import shutil
from pathlib import Path

from aegis_kernel.domain.errors import PermissionDeniedError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.restoring import Restorer
from aegis_kernel.engine.settings import Settings
from tests.support.grants import aes, encrypt, grant, listed, retire
from tests.support.kernel import BOB, settings


def at(data: Path) -> Settings:
    return settings(data, AEGIS_JOURNAL_KIND="sqlite")


async def is_allowed(kernel: Kernel, key_id: KeyId) -> bool:
    try:
        await encrypt(kernel, BOB, key_id)
    except PermissionDeniedError:
        return False
    return True


async def test_what_was_retired_or_used_after_the_backup_stays_so(tmp_path: Path) -> None:
    home, new = tmp_path / "home", tmp_path / "new"
    async with Kernel(at(home)) as kernel:
        retired, counted, living, later = [await aes(kernel) for _ in range(4)]
        first = await grant(kernel, retired)
        await grant(kernel, counted, max_uses=3)
        await grant(kernel, living, max_uses=3)
        assert await is_allowed(kernel, counted)
        await kernel.backups.create(tmp_path / "backup", "a test")
        await retire(kernel, retired, first)
        assert [await is_allowed(kernel, counted) for _ in range(3)] == [True, True, False]
        await grant(kernel, later)
        await kernel.backups.create(tmp_path / "later", "a test")
    new.mkdir(mode=0o700)
    shutil.copy(home / "master.key", new / "master.key")
    restored = await Restorer(at(new)).restore(tmp_path / "backup", tmp_path / "later")
    assert [(each.key_id, each.operation) for each in restored.reapplied] == [
        (retired, "RetireGrant"),
        (counted, "Restore"),
    ]
    async with Kernel(at(new)) as kernel:
        (answer,) = await listed(kernel, counted)
        assert (answer.used, answer.ended) == (3, "used up")
        allowed = [await is_allowed(kernel, each) for each in (retired, counted, later, living)]
        assert allowed == [False, False, False, True]
