"""An audit sink with moods, installed as a stranger's plugin is: well, stalls, fails, or is slow."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import aegis_kernel
from aegis_kernel import AuditSink, LedgerRecord, PluginContext, SettingsSection, hookimpl

ROOT = Path(__file__).parents[2]
SLOW_SECONDS = 0.3

_feeds: list[Any] = []


class MoodySettings(SettingsSection, frozen=True):
    """`place` has the file `mood`, a word, and gets the file `delivered`, a line for each record."""

    prefix: ClassVar[str] = "AEGIS_AUDIT_MOODY"

    place: Path


class Plugin(aegis_kernel.Plugin):
    """Entry point `moody` of group `aegis.audit_sink`."""

    spi_version = 1
    settings = MoodySettings

    @hookimpl
    def aegis_audit_sink(self, context: PluginContext) -> AuditSink:
        return MoodySink(context.section(MoodySettings).place)


class MoodySink(AuditSink):
    def __init__(self, place: Path) -> None:
        self._place = place

    async def deliver(self, records: Sequence[LedgerRecord]) -> None:
        while (mood := (self._place / "mood").read_text()) == "stalls":
            await asyncio.sleep(0.02)
        if mood == "fails":
            raise OSError("in a mood to fail")
        if mood == "is slow":
            await asyncio.sleep(SLOW_SECONDS)
        with (self._place / "delivered").open("ab") as file:
            file.write(b"".join(record.body + b"\n" for record in records))


class Moody:
    """The sink as the test has it in hand: installed at `place`, well to begin with."""

    def __init__(self, place: Path) -> None:
        self._place = place
        info = place / "aegis_audit_moody-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: aegis-audit-moody\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[aegis.audit_sink]\nmoody = {__name__}:Plugin\n")
        self.delivered = place / "delivered"
        self.delivered.touch()
        self.be("well")

    @property
    def environment(self) -> dict[str, str]:
        """What a server must be told to have it as its only sink."""
        return {
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, self._place))),
            "AEGIS_AUDIT_SINKS": "moody",
            "AEGIS_AUDIT_MOODY_PLACE": str(self._place),
        }

    def be(self, mood: str) -> None:
        new = self._place / "mood.new"
        new.write_text(mood)
        new.rename(self._place / "mood")


def requests_wait_for_the_sinks() -> None:
    """The bug: each commit asks the sinks before it answers."""
    from aegis_kernel.engine.commit import Committer
    from aegis_kernel.engine.delivery import SinkFeed

    make, commit = SinkFeed.__init__, Committer.commit

    def known(self: Any, name: str, sink: Any, *arguments: Any, **named: Any) -> None:
        make(self, name, sink, *arguments, **named)
        _feeds.append(sink)

    async def commit_and_tell(self: Any, entry: Any) -> Any:
        verdict = await commit(self, entry)
        await asyncio.gather(*(sink.deliver(()) for sink in _feeds), return_exceptions=True)
        return verdict

    SinkFeed.__init__ = known  # type: ignore[method-assign]
    Committer.commit = commit_and_tell  # type: ignore[method-assign]
