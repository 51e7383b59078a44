"""A restore brings back no agent that has ended meanwhile."""

from __future__ import annotations

import shutil
from pathlib import Path

from aegis_kernel.domain.errors import UnauthorizedError
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.scope import Scope
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations import messages_agents as am
from aegis_kernel.engine.operations.declaration import Caller
from aegis_kernel.engine.restoring import Restorer
from aegis_kernel.engine.settings import Settings
from tests.support.kernel import ALICE, BOB, settings


def at(data: Path) -> Settings:
    return settings(data, AEGIS_JOURNAL_KIND="sqlite")


async def issue(kernel: Kernel, caller: Caller) -> am.IssuedAgent:
    scope = Scope(keys=frozenset({"*"}), operations=frozenset({Operation.LIST}))
    request = am.IssueAgent(label="restored", scopes=(scope,))
    return await kernel.pipeline.run(op.ISSUE_AGENT, caller, request)


async def lives(kernel: Kernel, issued: am.IssuedAgent) -> bool:
    headers = [(b"authorization", b"Bearer " + issued.token.reveal())]
    caller = Caller(await kernel.authentication.authenticate(headers))
    try:
        await kernel.pipeline.run(op.LIST, caller, m.ListKeys())
    except UnauthorizedError:
        return False
    return True


async def test_what_was_revoked_after_the_backup_stays_so(tmp_path: Path) -> None:
    home, new = tmp_path / "home", tmp_path / "new"
    async with Kernel(at(home)) as kernel:
        revoked, cut, living = [await issue(kernel, who) for who in (ALICE, BOB, ALICE)]
        await kernel.backups.create(tmp_path / "backup", "a test")
        assert [await lives(kernel, each) for each in (revoked, cut, living)] == [True] * 3
        await kernel.pipeline.run(op.REVOKE_AGENT, ALICE, am.RevokeAgent(revoked.agent.id))
        await kernel.pipeline.run(op.REVOKE_AGENTS, BOB, am.RevokeAgents("bob"))
        later = await issue(kernel, ALICE)
        await kernel.backups.create(tmp_path / "later", "a test")
    new.mkdir(mode=0o700)
    shutil.copy(home / "master.key", new / "master.key")
    restored = await Restorer(at(new)).restore(tmp_path / "backup", tmp_path / "later")
    assert [each.operation for each in restored.reapplied] == ["RevokeAgent", "RevokeAgents"]
    async with Kernel(at(new)) as kernel:
        assert [await lives(kernel, each) for each in (revoked, cut, living)] == [
            False,
            False,
            True,
        ]
        assert not await lives(kernel, later)
